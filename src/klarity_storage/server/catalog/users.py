"""Users: create, list, get, disable."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import convert
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import AlreadyExistsError, InvalidInputError
from klarity_storage.layout import check_name
from klarity_storage.protocol.users import CreateUser, User, UserList
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, Server

_USERS = schema.users.c


def create_user(context: Context, wanted: CreateUser) -> User:
    """Make a user, who has no token and no grant yet.

    Raises:
        AlreadyExistsError: there is one of that name, or a service.
        ForbiddenError: the caller is no administrator.
    """
    check_name(wanted.name, "user")
    check_text(wanted.display_name, "display name")
    rank = "administrator" if wanted.administrator else "user"
    require(context, Action.OWN, Server(), about=f"{rank} {wanted.name}")
    row = new_user(wanted)
    try:
        with context.services.rights.change() as connection:
            connection.execute(insert(schema.users).values(row))
    except IntegrityError:
        raise AlreadyExistsError(
            f"There is a user or a service {wanted.name!r} already.", hint="Choose another name."
        ) from None
    return convert(row, User)


def list_users(context: Context) -> UserList:
    """The users that the caller may see, by name."""
    require(context, Action.LIST, Server())
    may = permitted(context, Action.READ)
    with context.services.database.read() as connection:
        query = select(schema.users).where(~_USERS.service).order_by(_USERS.name)
        rows = connection.execute(query).mappings()
        return UserList(items=[convert(row, User) for row in rows if may(Account(row["name"]))])


def get_user(context: Context, name: str) -> User:
    """One user.

    Raises:
        PrincipalNotFoundError: there is none of that name, or the caller may not see it.
    """
    account = require(context, Action.READ, Account(check_name(name, "user")))
    with context.services.database.read() as connection:
        return _get(connection, account.user)


def disable_user(context: Context, name: str) -> User:
    """Refuse every token of a user from now on; once is as good as twice.

    The user's grants and groups stay as they are and count for nothing: the name is never given to
    another one.

    Raises:
        InvalidInputError: the last administrator would be locked out.
        ForbiddenError: the caller is no administrator.
        PrincipalNotFoundError: there is no such user, or the caller may not see it.
    """
    require(context, Action.READ, Account(check_name(name, "user")))
    require(context, Action.OWN, Server(), about=f"user {name}")
    with context.services.rights.change() as connection:
        user = _get(connection, name)
        if user.administrator and user.disabled_at is None and _administrators(connection) == 1:
            raise InvalidInputError(
                f"{name!r} is the last administrator: nobody could let anybody in again.",
                hint="Make another one first: ks user create --administrator.",
            )
        query = update(schema.users).where(_USERS.name == name, _USERS.disabled_at.is_(None))
        connection.execute(query.values(disabled_at=datetime.now(UTC)))
        return _get(connection, name)


def new_user(wanted: CreateUser) -> dict[str, object]:
    """The row of a new user."""
    return {
        "name": wanted.name,
        "display_name": wanted.display_name or wanted.name,
        "administrator": wanted.administrator,
        "created_at": datetime.now(UTC),
        "disabled_at": None,
    }


def _get(connection: Connection, name: str) -> User:
    query = select(schema.users).where(_USERS.name == name)
    return convert(connection.execute(query).mappings().one(), User)


def _administrators(connection: Connection) -> int:
    query = select(func.count()).where(_USERS.administrator, _USERS.disabled_at.is_(None))
    return connection.execute(query).scalar_one()
