"""/v1/groups."""

from __future__ import annotations

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    AlreadyExistsError,
    ForbiddenError,
    PrincipalNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.groups import CreateGroup, Group, GroupList
from klarity_storage.server.catalog import groups
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

_FAILURES = failures(ForbiddenError, PrincipalNotFoundError)


@get("/groups", tags=["groups"], responses=failures(), sync_to_thread=True)
def list_groups(context: Caller) -> GroupList:
    """List the groups that the caller may see."""
    return groups.list_groups(context)


@post(
    "/groups",
    tags=["groups"],
    responses=failures(ForbiddenError, AlreadyExistsError, TooLargeError),
    response_description="The new group.",
    sync_to_thread=True,
)
def create_group(context: Caller, data: JSONBody[CreateGroup]) -> Group:
    """Make a group; takes an administrator."""
    return groups.create_group(context, data)


@get(
    "/groups/{group:str}",
    tags=["groups"],
    responses=failures(PrincipalNotFoundError),
    sync_to_thread=True,
)
def get_group(context: Caller, group: FromPath[str]) -> Group:
    """Get one group, with those that are in it."""
    return groups.get_group(context, group)


@delete("/groups/{group:str}", tags=["groups"], responses=_FAILURES, sync_to_thread=True)
def delete_group(context: Caller, group: FromPath[str]) -> None:
    """Take a group away with all that was granted to it; takes an administrator."""
    groups.delete_group(context, group)


@put(
    "/groups/{group:str}/members/{member:str}",
    tags=["groups"],
    status_code=204,
    responses=_FAILURES,
    sync_to_thread=True,
)
def add_member(context: Caller, group: FromPath[str], member: FromPath[str]) -> None:
    """Put a user or a service into a group; takes an administrator."""
    groups.add_member(context, group, member)


@delete(
    "/groups/{group:str}/members/{member:str}",
    tags=["groups"],
    responses=_FAILURES,
    sync_to_thread=True,
)
def remove_member(context: Caller, group: FromPath[str], member: FromPath[str]) -> None:
    """Take a user or a service out of a group; takes an administrator."""
    groups.remove_member(context, group, member)


ROUTES = [list_groups, create_group, get_group, delete_group, add_member, remove_member]
