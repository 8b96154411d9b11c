"""Tables: list and describe."""

from __future__ import annotations

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.tables import TableInfo, TableList, TableName
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.tables import describe, names
from klarity_storage.tables.location import TableLocation


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


def get_table(context: Context, name: Name) -> TableInfo:
    """What a table holds now.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
    """
    require(context, Action.READ, Pattern.of(name))
    keys = context.services.buckets.of(name.space).engine.credentials
    return describe.describe_table(TableLocation(name, f"s3://{keys.bucket}/{name}", keys))
