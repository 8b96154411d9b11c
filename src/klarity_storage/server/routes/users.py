"""/v1/users."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    AlreadyExistsError,
    ForbiddenError,
    PrincipalNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.users import CreateUser, User, UserList
from klarity_storage.server.catalog import users
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/users", tags=["users"], responses=failures(), sync_to_thread=True)
def list_users(context: Caller) -> UserList:
    """List the users that the caller may see."""
    return users.list_users(context)


@post(
    "/users",
    tags=["users"],
    responses=failures(ForbiddenError, AlreadyExistsError, TooLargeError),
    response_description="The new user.",
    sync_to_thread=True,
)
def create_user(context: Caller, data: JSONBody[CreateUser]) -> User:
    """Make a user; takes an administrator."""
    return users.create_user(context, data)


@get(
    "/users/{user:str}",
    tags=["users"],
    responses=failures(PrincipalNotFoundError),
    sync_to_thread=True,
)
def get_user(context: Caller, user: FromPath[str]) -> User:
    """Get one user."""
    return users.get_user(context, user)


@post(
    "/users/{user:str}/disable",
    tags=["users"],
    status_code=200,
    responses=failures(ForbiddenError, PrincipalNotFoundError),
    sync_to_thread=True,
)
def disable_user(context: Caller, user: FromPath[str]) -> User:
    """Refuse every token of a user from now on; takes an administrator."""
    return users.disable_user(context, user)


ROUTES = [list_users, create_user, get_user, disable_user]
