"""/v1/services."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    AlreadyExistsError,
    ForbiddenError,
    PrincipalNotFoundError,
    SpaceNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.services import CreateService, Service, ServiceList
from klarity_storage.server.catalog import service_accounts
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/services", tags=["services"], responses=failures(), sync_to_thread=True)
def list_services(context: Caller) -> ServiceList:
    """List the services that the caller may see."""
    return service_accounts.list_services(context)


@post(
    "/services",
    tags=["services"],
    responses=failures(ForbiddenError, SpaceNotFoundError, AlreadyExistsError, TooLargeError),
    response_description="The new service.",
    sync_to_thread=True,
)
def create_service(context: Caller, data: JSONBody[CreateService]) -> Service:
    """Make a machine account; takes an owner of its space, or an administrator."""
    return service_accounts.create_service(context, data)


@get(
    "/services/{service:str}",
    tags=["services"],
    responses=failures(PrincipalNotFoundError),
    sync_to_thread=True,
)
def get_service(context: Caller, service: FromPath[str]) -> Service:
    """Get one service."""
    return service_accounts.get_service(context, service)


@post(
    "/services/{service:str}/disable",
    tags=["services"],
    status_code=200,
    responses=failures(ForbiddenError, PrincipalNotFoundError),
    sync_to_thread=True,
)
def disable_service(context: Caller, service: FromPath[str]) -> Service:
    """Refuse every token of a service from now on; takes whoever administers it."""
    return service_accounts.disable_service(context, service)


ROUTES = [list_services, create_service, get_service, disable_service]
