"""/v1/spaces."""

from __future__ import annotations

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    SpaceNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.spaces import CreateSpace, SetQuota, Space, SpaceList, StartMove
from klarity_storage.server.catalog import spaces
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/spaces", tags=["spaces"], responses=failures(), sync_to_thread=True)
def list_spaces(context: Caller) -> SpaceList:
    """List the spaces that the caller may read something of."""
    return spaces.list_spaces(context)


@post(
    "/spaces",
    tags=["spaces"],
    responses=failures(ForbiddenError, AlreadyExistsError, TooLargeError),
    response_description="The new space.",
    sync_to_thread=True,
)
def create_space(context: Caller, data: JSONBody[CreateSpace]) -> Space:
    """Make a space; takes an administrator, who becomes its owner."""
    return spaces.create_space(context, data)


@get(
    "/spaces/{space:str}",
    tags=["spaces"],
    responses=failures(SpaceNotFoundError),
    sync_to_thread=True,
)
def get_space(context: Caller, space: FromPath[str]) -> Space:
    """Get one space."""
    return spaces.get_space(context, space)


@put(
    "/spaces/{space:str}/quota",
    tags=["spaces"],
    responses=failures(SpaceNotFoundError, ForbiddenError, TooLargeError),
    response_description="The space, with its new quota.",
    sync_to_thread=True,
)
def set_quota(context: Caller, space: FromPath[str], data: JSONBody[SetQuota]) -> Space:
    """Set how much may lie in a space; takes an administrator."""
    return spaces.set_quota(context, space, data)


@post(
    "/spaces/{space:str}/move",
    tags=["spaces"],
    status_code=202,
    responses=failures(SpaceNotFoundError, ForbiddenError, ConflictError, TooLargeError),
    response_description="The space, and how far its move is.",
    sync_to_thread=True,
)
def start_move(context: Caller, space: FromPath[str], data: JSONBody[StartMove]) -> Space:
    """Begin to move a space to another bucket; takes an administrator."""
    return spaces.start_move(context, space, data)


@delete(
    "/spaces/{space:str}/move",
    tags=["spaces"],
    responses=failures(SpaceNotFoundError, ForbiddenError, ConflictError),
    sync_to_thread=True,
)
def cancel_move(context: Caller, space: FromPath[str]) -> None:
    """Let a space that is being moved stay where it lies; takes an administrator."""
    spaces.cancel_move(context, space)


ROUTES = [list_spaces, create_space, get_space, set_quota, start_move, cancel_move]
