"""Grants: create, list, remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import convert
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import AlreadyExistsError, ConflictError, InvalidInputError
from klarity_storage.layout import check_name
from klarity_storage.protocol.grants import CreateGrant, Grant, GrantList, Role
from klarity_storage.server.catalog.secret import new_id
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import PUBLIC, Principal, PrincipalKind
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.read import is_there
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import (
    Account,
    GrantRecord,
    GroupRecord,
    Server,
    absent,
)

_GRANTS = schema.grants.c


def create_grant(context: Context, wanted: CreateGrant) -> Grant:
    """Give a principal a role on a pattern; takes an owner of all that the pattern reaches.

    Raises:
        AlreadyExistsError: the principal has that role on that pattern already.
        PrincipalNotFoundError: there is no such user, service or group.
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: the caller does not own all of it.
    """
    pattern = Pattern.parse(wanted.pattern)
    principal = Principal.parse(wanted.principal)
    expires_at = _future(wanted.expires_at)
    require(context, Action.OWN, pattern, about=f"{wanted.role} for {wanted.principal}")
    row = new_grant(
        wanted.principal, wanted.role, pattern, by=context.actor.principal, expires_at=expires_at
    )
    try:
        with context.services.rights.change() as connection:
            _check_exists(connection, principal)
            _remove_expired(connection, row)
            connection.execute(insert(schema.grants).values(row))
    except IntegrityError:
        raise AlreadyExistsError(
            f"{wanted.principal} is {wanted.role} of {pattern} already.",
            hint=f"To change its end, remove it first: ks grant ls --space {pattern.space}.",
        ) from None
    return convert(row, Grant)


def list_grants(
    context: Context, space: str | None = None, principal: str | None = None
) -> GrantList:
    """The grants that are the caller's or that the caller may remove, oldest first.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
    """
    query = select(schema.grants).order_by(_GRANTS.created_at, _GRANTS.id)
    if principal is not None:
        Principal.parse(principal)
        query = query.where(_GRANTS.principal == principal)
    if space is not None:
        require(context, Action.LIST, Pattern(check_name(space, "space")))
        query = query.where(_GRANTS.space == space)
    else:
        require(context, Action.LIST, Server())
    may = permitted(context, Action.READ)
    with context.services.database.read() as connection:
        grants = [convert(row, Grant) for row in connection.execute(query).mappings()]
    return GrantList(items=[grant for grant in grants if may(GrantRecord(grant.id, grant))])


def remove_grant(context: Context, grant_id: str) -> None:
    """Take a grant away; temporary credentials issued under it live on until they expire.

    Raises:
        PrincipalNotFoundError: there is no such grant, or the caller may not see it.
        ForbiddenError: it is the caller's, who does not own what it is on.
        ConflictError: a bucket's strategy has given it.
    """
    check_name(grant_id, "grant id")
    query = select(schema.grants).where(_GRANTS.id == grant_id)
    with context.services.database.read() as connection:
        row = connection.execute(query).mappings().one_or_none()
    record = GrantRecord(grant_id, None if row is None else convert(row, Grant))
    told = "" if record.grant is None else f"{record.grant.role} for {record.grant.principal}"
    require(context, Action.OWN, record, about=told)
    if record.grant is not None and record.grant.principal == PUBLIC:
        raise ConflictError(
            f"Anyone reads {record.grant.pattern} because of the bucket that it lies in.",
            hint="ks space move takes it into a bucket that is not public.",
        )
    with context.services.rights.change() as connection:
        connection.execute(delete(schema.grants).where(_GRANTS.id == record.id))


def new_grant(
    principal: str, role: Role, pattern: Pattern, *, by: str, expires_at: datetime | None = None
) -> dict[str, Any]:
    """The row of a new grant."""
    return {
        "id": new_id("grant"),
        "principal": principal,
        "role": role.value,
        "pattern": str(pattern),
        "space": pattern.space,
        "created_at": datetime.now(UTC),
        "created_by": by,
        "expires_at": expires_at,
    }


def _future(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInputError(
            f"The end {moment.isoformat()} has no time zone.",
            hint=f"Write {moment.isoformat()}Z for UTC.",
        )
    if moment <= datetime.now(UTC):
        raise InvalidInputError(
            f"The end {moment.isoformat()} has passed.", hint="Give a later one, or none."
        )
    return moment


def _check_exists(connection: Connection, principal: Principal) -> None:
    """Nobody gives anything to a typing error."""
    target: Account | GroupRecord
    match principal.kind:
        case None:
            return
        case PrincipalKind.GROUP:
            target = GroupRecord(principal.name)
        case kind:
            target = Account(principal.name, kind is PrincipalKind.SERVICE)
    if not is_there(connection, target):
        raise absent(target)


def _remove_expired(connection: Connection, row: dict[str, Any]) -> None:
    """Make room for a grant that was given before and has run out."""
    same = [_GRANTS[field] == row[field] for field in ("principal", "role", "pattern")]
    connection.execute(delete(schema.grants).where(*same, _GRANTS.expires_at <= row["created_at"]))
