"""/v1/grants."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from klarity_storage.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    PrincipalNotFoundError,
    SpaceNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.grants import CreateGrant, Grant, GrantList
from klarity_storage.server.catalog import grants
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/grants", tags=["grants"], responses=failures(SpaceNotFoundError), sync_to_thread=True)
def list_grants(
    context: Caller, space: FromQuery[str | None] = None, principal: FromQuery[str | None] = None
) -> GrantList:
    """List the grants that are the caller's, or that the caller may remove."""
    return grants.list_grants(context, space, principal)


@post(
    "/grants",
    tags=["grants"],
    responses=failures(
        ForbiddenError,
        SpaceNotFoundError,
        PrincipalNotFoundError,
        AlreadyExistsError,
        TooLargeError,
    ),
    response_description="The new grant.",
    sync_to_thread=True,
)
def create_grant(context: Caller, data: JSONBody[CreateGrant]) -> Grant:
    """Give a principal a role on a pattern; takes an owner of all that it reaches."""
    return grants.create_grant(context, data)


@delete(
    "/grants/{grant_id:str}",
    tags=["grants"],
    responses=failures(ForbiddenError, PrincipalNotFoundError, ConflictError),
    sync_to_thread=True,
)
def remove_grant(context: Caller, grant_id: FromPath[str]) -> None:
    """Take a grant away; takes an owner of what it is on."""
    grants.remove_grant(context, grant_id)


ROUTES = [list_grants, create_grant, remove_grant]
