"""/v1/spaces/{space}/deployments: what shows front ends to browsers."""

from __future__ import annotations

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    QuotaError,
    SpaceNotFoundError,
    TooLargeError,
    VersionNotFoundError,
)
from klarity_storage.protocol.web import Deploy, Deployment, DeploymentList, ReleaseList, Rollback
from klarity_storage.server.catalog import deployments
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

_ALL = "/spaces/{space:str}/deployments"
_ONE = f"{_ALL}/{{deployment:str}}"
_READ = failures(SpaceNotFoundError, VersionNotFoundError, NotFoundError)
_SWITCH = failures(
    SpaceNotFoundError,
    VersionNotFoundError,
    NotFoundError,
    ForbiddenError,
    QuotaError,
    ConflictError,
    TooLargeError,
)


@get(_ALL, tags=["web"], responses=failures(SpaceNotFoundError), sync_to_thread=True)
def list_deployments(context: Caller, space: FromPath[str]) -> DeploymentList:
    """List the deployments of a space that show something."""
    return deployments.list_deployments(context, space)


@get(_ONE, tags=["web"], responses=_READ, sync_to_thread=True)
def get_deployment(context: Caller, space: FromPath[str], deployment: FromPath[str]) -> Deployment:
    """Get what a deployment shows, and where."""
    return deployments.get_deployment(context, space, deployment)


@put(_ONE, tags=["web"], responses=_SWITCH, sync_to_thread=True)
def deploy_front_end(
    context: Caller, space: FromPath[str], deployment: FromPath[str], data: JSONBody[Deploy]
) -> Deployment:
    """Show a version of a front end, with the data that belong to it."""
    return deployments.deploy(context, space, deployment, data)


@delete(_ONE, tags=["web"], responses=_SWITCH, sync_to_thread=True)
def remove_deployment(context: Caller, space: FromPath[str], deployment: FromPath[str]) -> None:
    """Show nothing any more; the history stays."""
    deployments.remove_deployment(context, space, deployment)


@get(f"{_ONE}/releases", tags=["web"], responses=_READ, sync_to_thread=True)
def list_releases(context: Caller, space: FromPath[str], deployment: FromPath[str]) -> ReleaseList:
    """List what a deployment has shown, newest first."""
    return deployments.list_releases(context, space, deployment)


@post(
    f"{_ONE}/rollback",
    status_code=200,
    tags=["web"],
    responses=_SWITCH,
    response_description="What is shown now.",
    sync_to_thread=True,
)
def roll_back(
    context: Caller, space: FromPath[str], deployment: FromPath[str], data: JSONBody[Rollback]
) -> Deployment:
    """Show an earlier release again."""
    return deployments.rollback(context, space, deployment, data)


ROUTES = [
    list_deployments,
    get_deployment,
    deploy_front_end,
    remove_deployment,
    list_releases,
    roll_back,
]
