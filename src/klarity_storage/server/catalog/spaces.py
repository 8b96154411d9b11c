"""Spaces: create, list, get."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import convert
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import AlreadyExistsError
from klarity_storage.layout import check_name
from klarity_storage.protocol.grants import Role
from klarity_storage.protocol.spaces import (
    CreateSpace,
    Quota,
    SetQuota,
    Space,
    SpaceList,
    StartMove,
)
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.public import publish
from klarity_storage.server.catalog.grants import new_grant
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Server


def create_space(context: Context, wanted: CreateSpace) -> Space:
    """Make a space; whoever makes it becomes its owner.

    Raises:
        AlreadyExistsError: there is one of that key.
        InvalidInputError: the server has no such bucket.
        ForbiddenError: the caller is no administrator.
    """
    check_name(wanted.key, "space")
    check_text(wanted.description, "description")
    require(context, Action.OWN, Server(), about=f"space {wanted.key}")
    buckets = context.services.buckets
    bucket = buckets.main if wanted.bucket is None else buckets.named(wanted.bucket)
    by = context.actor.principal
    row = new_space(wanted.key, bucket, by=by, description=wanted.description)
    try:
        with context.services.rights.change() as connection:
            add_space(connection, row, bucket, counted_at=row["created_at"])
            grant = new_grant(by, Role.OWNER, Pattern(wanted.key), by=by)
            connection.execute(insert(schema.grants).values(grant))
    except IntegrityError:
        raise AlreadyExistsError(
            f"There is a space {wanted.key!r} already.", hint="Choose another key."
        ) from None
    return _space(context, row)


def new_space(key: str, bucket: Bucket, *, by: str, description: str) -> dict[str, Any]:
    """The row of a new space."""
    return {
        "key": key,
        "description": description,
        "created_at": datetime.now(UTC),
        "created_by": by,
        "bucket": bucket.name,
        "strategy": bucket.strategy.value,
    }


def add_space(
    connection: Connection, row: dict[str, Any], bucket: Bucket, *, counted_at: datetime | None
) -> None:
    """Enter a space and all that each has; ``counted_at`` is None while nobody knows its usage."""
    connection.execute(insert(schema.spaces).values(row))
    counted = {"space": row["key"], "counted_at": counted_at}
    connection.execute(insert(schema.usage).values(counted))
    publish(connection, row["key"], public=bucket.public)


def list_spaces(context: Context) -> SpaceList:
    """The spaces that the caller may read something of, by key."""
    require(context, Action.LIST, Server())
    may = permitted(context, Action.LIST)
    with context.services.database.read() as connection:
        rows = connection.execute(select(schema.spaces).order_by(schema.spaces.c.key)).mappings()
        return SpaceList(items=[_space(context, row) for row in rows if may(Pattern(row["key"]))])


def get_space(context: Context, key: str) -> Space:
    """One space.

    Raises:
        SpaceNotFoundError: there is none of that key, or the caller may not see it.
    """
    space = require(context, Action.LIST, Pattern(check_name(key, "space")))
    query = select(schema.spaces).where(schema.spaces.c.key == space.space)
    with context.services.database.read() as connection:
        found = _space(context, connection.execute(query).mappings().one())
    if not permitted(context)(space):
        return found  # how much lies in it is for those who may read all of it
    usage, quota = context.services.usage.read(key)
    return replace(found, usage=usage, quota=quota, move=context.services.moves.find(key))


def set_quota(context: Context, key: str, wanted: SetQuota) -> Space:
    """Set how much may lie in a space; what lies there already stays.

    Raises:
        SpaceNotFoundError: there is none of that key.
        ForbiddenError: the caller is no administrator.
    """
    check_name(key, "space")
    told = f"quota of {key}: {wanted.bytes} bytes, {wanted.objects} objects"
    require(context, Action.OWN, Server(), about=told)
    space = get_space(context, key)
    usage = context.services.usage
    usage.set_quota(key, Quota(bytes=wanted.bytes, objects=wanted.objects))
    return replace(space, quota=usage.read(key)[1])


def start_move(context: Context, key: str, wanted: StartMove) -> Space:
    """Begin to move a space to another bucket; it takes no writes until that is done.

    Raises:
        SpaceNotFoundError: there is none of that key.
        InvalidInputError: the server has no such bucket.
        ConflictError: the move would break what the strategy of its bucket promises, or it is
            being moved.
        ForbiddenError: the caller is no administrator.
    """
    check_name(key, "space")
    require(context, Action.OWN, Server(), about=f"move {key} to {wanted.bucket}")
    get_space(context, key)
    services = context.services
    target = services.buckets.named(wanted.bucket)
    source = services.buckets.of(key)
    services.moves.start(key, source, target, context.actor.principal)
    return get_space(context, key)


def cancel_move(context: Context, key: str) -> None:
    """Let a space stay where it lies.

    Raises:
        SpaceNotFoundError: there is none of that key.
        ConflictError: it is not being moved, or lies in the other bucket already.
        ForbiddenError: the caller is no administrator.
    """
    check_name(key, "space")
    require(context, Action.OWN, Server(), about=f"cancel the move of {key}")
    get_space(context, key)
    context.services.moves.cancel(key)


def _space(context: Context, row: Mapping[Any, Any]) -> Space:
    """A space as its row and its bucket say."""
    bucket = context.services.buckets.holding(row["key"], row["bucket"])
    days = None if bucket.expires_after is None else bucket.expires_after.days
    return replace(convert(row, Space), days=days, public=bucket.public)
