"""Groups: create, list, get, delete, and who is in them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from msgspec import convert
from msgspec.structs import replace
from sqlalchemy import Connection, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import AlreadyExistsError
from klarity_storage.layout import check_name
from klarity_storage.protocol.groups import CreateGroup, Group, GroupList
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import principal_of
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, GroupRecord, Server, absent

_GROUPS = schema.groups.c
_MEMBERS = schema.group_members.c
_USERS = schema.users.c


def create_group(context: Context, wanted: CreateGroup) -> Group:
    """Make a group, which nobody is in yet.

    Raises:
        AlreadyExistsError: there is one of that name.
        ForbiddenError: the caller is no administrator.
    """
    check_name(wanted.name, "group")
    check_text(wanted.description, "description")
    require(context, Action.OWN, Server(), about=f"group {wanted.name}")
    row = {
        "name": wanted.name,
        "description": wanted.description,
        "created_at": datetime.now(UTC),
        "created_by": context.actor.principal,
    }
    try:
        with context.services.rights.change() as connection:
            connection.execute(insert(schema.groups).values(row))
    except IntegrityError:
        raise AlreadyExistsError(
            f"There is a group {wanted.name!r} already.", hint="Choose another name."
        ) from None
    return convert(row, Group)


def list_groups(context: Context) -> GroupList:
    """The groups that the caller may see, by name."""
    require(context, Action.LIST, Server())
    may = permitted(context, Action.READ)
    with context.services.database.read() as connection:
        members = _members(connection)
        rows = connection.execute(select(schema.groups).order_by(_GROUPS.name)).mappings()
        return GroupList(
            items=[
                replace(convert(row, Group), members=members[row["name"]])
                for row in rows
                if may(GroupRecord(row["name"]))
            ]
        )


def get_group(context: Context, name: str) -> Group:
    """One group, with those that are in it.

    Raises:
        PrincipalNotFoundError: there is none of that name, or the caller may not see it.
    """
    group = require(context, Action.READ, GroupRecord(check_name(name, "group")))
    with context.services.database.read() as connection:
        return _get(connection, group)


def delete_group(context: Context, name: str) -> None:
    """Take a group away with all that was granted to it: a new one of the name begins with nothing.

    Raises:
        PrincipalNotFoundError: there is none of that name, or the caller may not see it.
        ForbiddenError: the caller is no administrator.
    """
    group = require(context, Action.OWN, GroupRecord(check_name(name, "group")))
    with context.services.rights.change() as connection:
        connection.execute(delete(schema.grants).where(schema.grants.c.principal == str(group)))
        connection.execute(delete(schema.group_members).where(_MEMBERS.group == group.name))
        connection.execute(delete(schema.groups).where(_GROUPS.name == group.name))


def add_member(context: Context, name: str, member: str) -> None:
    """Put a user or a service into a group; once is as good as twice.

    Raises:
        PrincipalNotFoundError: there is no such group or account, or the caller may not see it.
        ForbiddenError: the caller is no administrator.
    """
    check_name(member, "member")
    group = require(
        context, Action.OWN, GroupRecord(check_name(name, "group")), about=f"add {member}"
    )
    row = {"group": group.name, "member": member}
    with context.services.rights.change() as connection:
        _get(connection, group)  # it may be gone since
        if not connection.execute(select(exists().where(_USERS.name == member))).scalar_one():
            raise absent(Account(member))
        there = exists().where(_MEMBERS.group == group.name, _MEMBERS.member == member)
        if not connection.execute(select(there)).scalar_one():
            connection.execute(insert(schema.group_members).values(row))


def remove_member(context: Context, name: str, member: str) -> None:
    """Take a user or a service out of a group; once is as good as twice.

    Raises:
        PrincipalNotFoundError: there is no such group, or the caller may not see it.
        ForbiddenError: the caller is no administrator.
    """
    check_name(member, "member")
    group = require(
        context, Action.OWN, GroupRecord(check_name(name, "group")), about=f"remove {member}"
    )
    with context.services.rights.change() as connection:
        query = delete(schema.group_members).where(_MEMBERS.group == group.name)
        connection.execute(query.where(_MEMBERS.member == member))


def _get(connection: Connection, group: GroupRecord) -> Group:
    query = select(schema.groups).where(_GROUPS.name == group.name)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise absent(group)
    return replace(convert(row, Group), members=_members(connection, group.name)[group.name])


def _members(connection: Connection, group: str | None = None) -> dict[str, list[str]]:
    """The principals in each group, by name."""
    query = (
        select(_MEMBERS.group, _USERS.name, _USERS.service)
        .join_from(schema.group_members, schema.users)
        .order_by(_USERS.name)
    )
    if group is not None:
        query = query.where(_MEMBERS.group == group)
    found = defaultdict(list)
    for row in connection.execute(query):
        found[row.group].append(principal_of(row.name, service=row.service))
    return found
