"""Spaces that anyone may read, because their bucket says so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from klarity_storage.protocol.grants import Role
from klarity_storage.protocol.log import SERVER
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.catalog.secret import new_id
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights.actor import PUBLIC
from klarity_storage.server.rights.cache import RightsCache


def publish(connection: Connection, space: str, *, public: bool) -> None:
    """Let the grant to everybody stand, or not, as the space's bucket has it.

    It is a grant like any other, so that whatever decides, explains or lists knows of it.
    """
    mine = (schema.grants.c.space == space, schema.grants.c.principal == PUBLIC)
    there = connection.execute(select(schema.grants.c.id).where(*mine)).scalar_one_or_none()
    if public and there is None:
        grant = {
            "id": new_id("grant"),
            "principal": PUBLIC,
            "role": Role.READER.value,
            "pattern": space,
            "space": space,
            "created_at": datetime.now(UTC),
            "created_by": SERVER,
        }
        connection.execute(insert(schema.grants).values(grant))
    if not public and there is not None:
        connection.execute(delete(schema.grants).where(*mine))


def publish_all(rights: RightsCache, database: Database, buckets: Iterable[Bucket]) -> None:
    """The same for every space, where the settings of a bucket have changed."""
    wanted = {bucket.name: bucket.public for bucket in buckets}
    columns, grants = schema.spaces.c, schema.grants.c
    public = select(grants.space).where(grants.principal == PUBLIC)
    with database.read() as connection:
        there = set(connection.execute(public).scalars())
        spaces = connection.execute(select(columns.key, columns.bucket)).all()
    other = [space for space, name in spaces if wanted[name] is not (space in there)]
    if not other:
        return
    with rights.change() as connection:
        for space in other:
            publish(connection, space, public=space not in there)
