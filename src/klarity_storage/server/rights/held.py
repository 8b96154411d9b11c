"""The grants that a caller holds, as the database knows them."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import convert
from sqlalchemy import Connection, select

from klarity_storage.protocol.grants import Grant
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import Actor


def grants_held(connection: Connection, actor: Actor, space: str | None = None) -> list[Grant]:
    """The grants of the caller's principals, expired ones too; of one space where it is named."""
    query = select(schema.grants).where(schema.grants.c.principal.in_(actor.principals))
    if space is not None:
        query = query.where(schema.grants.c.space == space)
    return [convert(row, Grant) for row in connection.execute(query).mappings()]


def version_of(grant: Grant) -> str:
    """What changes with whatever a grant says: the beginning of its SHA-256."""
    return hashlib.sha256(msgspec.json.encode(grant)).hexdigest()[:12]
