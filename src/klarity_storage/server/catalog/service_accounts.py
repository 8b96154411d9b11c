"""Services, the machine accounts: create, list, get, disable."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import convert
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import AlreadyExistsError
from klarity_storage.layout import check_name
from klarity_storage.protocol.services import CreateService, Service, ServiceList
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, Server

_USERS = schema.users.c


def create_service(context: Context, wanted: CreateService) -> Service:
    """Make a service, which has no token and no grant yet.

    Raises:
        AlreadyExistsError: there is one of that name, or a user.
        SpaceNotFoundError: there is no such space, or the caller may not see it.
        ForbiddenError: the caller does not own all of the space; without one, is no administrator.
    """
    check_name(wanted.name, "service")
    check_text(wanted.display_name, "display name")
    about = f"service {wanted.name}"
    if wanted.space is None:
        require(context, Action.OWN, Server(), about=about)
    else:
        require(context, Action.OWN, Pattern(check_name(wanted.space, "space")), about=about)
    row = {
        "name": wanted.name,
        "display_name": wanted.display_name or wanted.name,
        "administrator": False,
        "created_at": datetime.now(UTC),
        "disabled_at": None,
        "service": True,
        "space": wanted.space,
    }
    try:
        with context.services.rights.change() as connection:
            connection.execute(insert(schema.users).values(row))
    except IntegrityError:
        raise AlreadyExistsError(
            f"There is a service or a user {wanted.name!r} already.", hint="Choose another name."
        ) from None
    return convert(row, Service)


def list_services(context: Context) -> ServiceList:
    """The services that the caller may see, by name."""
    require(context, Action.LIST, Server())
    may = permitted(context, Action.READ)
    query = select(schema.users).where(_USERS.service).order_by(_USERS.name)
    with context.services.database.read() as connection:
        rows = connection.execute(query).mappings()
        return ServiceList(
            items=[
                convert(row, Service)
                for row in rows
                if may(Account(row["name"], service=True, space=row["space"]))
            ]
        )


def get_service(context: Context, name: str) -> Service:
    """One service.

    Raises:
        PrincipalNotFoundError: there is none of that name, or the caller may not see it.
    """
    account = require(context, Action.READ, find_service(context.services.database, name))
    with context.services.database.read() as connection:
        return _get(connection, account.user)


def disable_service(context: Context, name: str) -> Service:
    """Refuse every token of a service from now on; once is as good as twice.

    Its grants and groups stay as they are and count for nothing: the name is never given to another
    one.

    Raises:
        PrincipalNotFoundError: there is no such service, or the caller may not see it.
        ForbiddenError: the caller administers neither the service nor the server.
    """
    account = require(context, Action.OWN, find_service(context.services.database, name))
    query = update(schema.users).where(_USERS.name == account.user, _USERS.disabled_at.is_(None))
    with context.services.rights.change() as connection:
        connection.execute(query.values(disabled_at=datetime.now(UTC)))
        return _get(connection, account.user)


def find_service(database: Database, name: str) -> Account:
    """The account of a service, with the space whose owners administer it.

    It is read anew each time, so that one that is there takes as long as one that is not.
    """
    query = select(_USERS.space).where(_USERS.name == check_name(name, "service"), _USERS.service)
    with database.read() as connection:
        space: str | None = connection.execute(query).scalar()
    return Account(name, service=True, space=space)


def _get(connection: Connection, name: str) -> Service:
    query = select(schema.users).where(_USERS.name == name)
    return convert(connection.execute(query).mappings().one(), Service)
