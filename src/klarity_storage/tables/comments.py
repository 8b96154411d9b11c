"""What a table's columns mean, kept in its schema."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from deltalake import CommitProperties

from klarity_storage.protocol.tables import TableInfo
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.filters import find_column
from klarity_storage.tables.location import Locate
from klarity_storage.tables.snapshot import open_snapshot


def comment_of(field: pa.Field) -> dict[bytes, bytes] | None:
    """What a column's field says of its meaning, as Spark and Delta write it.

    >>> comment_of(pa.field("score", pa.float64(), metadata={"comment": "IoU", "unit": "1"}))
    {b'comment': b'IoU'}
    """
    told = (field.metadata or {}).get(b"comment")
    return {b"comment": told} if told else None


def with_comments(schema: pa.Schema, known: pa.Schema) -> pa.Schema:
    """The columns, with the comments of known ones of their names where they have none."""
    return pa.schema(
        [
            field.with_metadata(comment_of(known.field(field.name)))
            if field.name in known.names and not comment_of(field)
            else field
            for field in schema
        ]
    )


def new_comments(schema: pa.Schema, table: pa.Schema) -> dict[str, str]:
    """The comments of columns that have none in the table."""
    return {
        field.name: told[b"comment"].decode(errors="replace")
        for field in schema
        if field.name in table.names
        and (told := comment_of(field))
        and not comment_of(table.field(field.name))
    }


def set_comments(locate: Locate, comments: Mapping[str, str], *, by: str) -> TableInfo:
    """Say what columns mean: a commit a column, and no row is touched.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        InvalidQueryError: there is no such column; nothing was changed.
        ConflictError: somebody else changed the table at the same time.
    """
    location = locate()
    table = open_snapshot(location)
    schema = pa.schema(table.schema().to_arrow())
    for column in comments:
        find_column(column, schema)
    for column, comment in comments.items():
        with told_as_ours(location.name, writing=True):
            table.alter.set_column_metadata(
                column,
                {"comment": comment},
                commit_properties=CommitProperties(custom_metadata={"userName": by}),
            )
            table.update_incremental()
    return describe_table(location)
