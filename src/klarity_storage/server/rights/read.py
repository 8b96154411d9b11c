"""What rights are decided by, as the database has it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache

import msgspec
from sqlalchemy import ColumnElement, Connection, exists, select

from klarity_storage.protocol.grants import Grant
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import Actor, Ceiling
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.targets import Account, GroupRecord

_USERS = schema.users.c
_TOKENS = schema.tokens.c
_MEMBERS = schema.group_members.c


class KnownAccount(msgspec.Struct, frozen=True):
    """A user or a service."""

    name: str
    display_name: str
    administrator: bool
    service: bool
    space: str | None
    disabled_at: datetime | None
    groups: tuple[str, ...] = ()


class KnownToken(msgspec.Struct):
    """A token, and who calls with it."""

    id: str
    actor: Actor
    expires_at: datetime | None
    revoked_at: datetime | None
    disabled_at: datetime | None
    """When its account was."""
    last_used_at: datetime | None
    """When that was noted last, as far as this process knows."""


def read_account(connection: Connection, name: str) -> KnownAccount | None:
    """A user or a service, with its groups."""
    columns = [_USERS[field] for field in KnownAccount.__struct_fields__ if field != "groups"]
    row = connection.execute(select(*columns).where(_USERS.name == name)).mappings().one_or_none()
    if row is None:
        return None
    query = select(_MEMBERS.group).where(_MEMBERS.member == name).order_by(_MEMBERS.group)
    return KnownAccount(**row, groups=tuple(connection.execute(query).scalars()))


def read_token(connection: Connection, by: ColumnElement[bool]) -> KnownToken | None:
    """A token, good or not."""
    query = select(
        _TOKENS.id,
        _TOKENS.user,
        _TOKENS.scopes,
        _TOKENS.expires_at,
        _TOKENS.revoked_at,
        _TOKENS.last_used_at,
    ).where(by)
    row = connection.execute(query).one_or_none()
    account = None if row is None else read_account(connection, row.user)
    if row is None or account is None:
        return None
    actor = Actor(
        account.name,
        account.display_name,
        account.administrator,
        row.id,
        service=account.service,
        groups=account.groups,
        scopes=tuple(map(Ceiling.parse, row.scopes)),
    )
    return KnownToken(
        row.id, actor, row.expires_at, row.revoked_at, account.disabled_at, row.last_used_at
    )


def read_grants(connection: Connection, principals: Collection[str]) -> list[Grant]:
    """The grants of some principals, expired ones too."""
    query = select(schema.grants).where(schema.grants.c.principal.in_(principals))
    return [msgspec.convert(row, Grant) for row in connection.execute(query).mappings()]


@lru_cache(maxsize=4096)
def version_of(grant: Grant) -> str:
    """What changes with whatever a grant says: the beginning of its SHA-256."""
    return hashlib.sha256(msgspec.json.encode(grant)).hexdigest()[:12]


def is_there(connection: Connection, target: Pattern | Account | GroupRecord) -> bool:
    """Whether there is such a space, account or group."""
    match target:
        case Pattern():
            query = exists().where(schema.spaces.c.key == target.space)
        case Account():
            query = exists().where(_USERS.name == target.user, _USERS.service == target.service)
        case GroupRecord():
            query = exists().where(schema.groups.c.name == target.name)
    return bool(connection.execute(select(query)).scalar_one())
