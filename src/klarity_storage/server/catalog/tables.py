"""Tables: list and describe."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from klarity_storage.errors import InvalidInputError, TableNotFoundError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.tables import TableFiles, TableInfo, TableList, TableName
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.services import Services
from klarity_storage.tables import describe, names
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.parquet_files import list_parquet_files

MOST_FILES: Final = 1000
"""Of a page."""


def list_tables(context: Context, space: str) -> TableList:
    """The tables of a space that the caller may read.

    Raises:
        SpaceNotFoundError: there is no such space, or the caller may not see it.
    """
    Pattern.of_scope(space)
    require(context, Action.LIST, Pattern(space, Kind.TABLES))
    may = permitted(context)
    found = names.list_tables(context.services.buckets.of(space).store, space)
    return TableList(
        items=[
            TableName(space=name.space, name=name.name) for name in found if may(Pattern.of(name))
        ]
    )


def get_table(context: Context, name: Name, version: int | None = None) -> TableInfo:
    """What a table holds now, or held in a version.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        VersionNotFoundError: the table has no such version.
    """
    require(context, Action.READ, Pattern.of(name))
    return describe.describe_table(_located(context, name), version)


def list_files(
    context: Context, name: Name, version: int | None, *, limit: int, after: str | None
) -> TableFiles:
    """A page of the Parquet files of a version, in the order of rows without one.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        VersionNotFoundError: the table has no such version.
        InvalidInputError: there is no page of that size.
    """
    if not 1 <= limit <= MOST_FILES:
        raise InvalidInputError(
            f"There is no page of {limit} files.", hint=f"Ask for 1 to {MOST_FILES}."
        )
    require(context, Action.READ, Pattern.of(name), about="list files")
    return list_parquet_files(_located(context, name), version, limit=limit, after=after)


def _located(context: Context, name: Name) -> TableLocation:
    refuse_expired(context.services, name)
    keys = context.services.buckets.of(name.space).engine.credentials
    return TableLocation(name, f"s3://{keys.bucket}/{name}", keys)


def refuse_expired(services: Services, name: Name) -> None:
    """Say of a table of scratch that is not there any more that it has expired.

    Raises:
        TableNotFoundError: it has, and nobody has made it again.
    """
    bucket = services.buckets.of(name.space)
    if bucket.expires_after is None:
        return
    mine = schema.expired_tables.c
    query = select(mine.at).where(mine.space == name.space, mine.name == name.name)
    with services.database.read() as connection:
        at = connection.execute(query).scalar_one_or_none()
    if at is None or names.has_log(bucket.store, name):
        return
    raise TableNotFoundError(
        f"The table {name} has expired on {at:%Y-%m-%d}: its space keeps a table for "
        f"{bucket.expires_after.days} days after it was last written.",
        hint="Write it again, or in a space whose bucket keeps it.",
    )
