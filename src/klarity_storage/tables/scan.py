"""A table as a lazy DataFusion frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from datafusion import DataFrame, Expr, SessionContext, col
from deltalake import DeltaTable

from klarity_storage.errors import InvalidQueryError
from klarity_storage.tables.context import prepare
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.files import chosen_files, open_files
from klarity_storage.tables.filters import quoted
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.foreign import through_delta
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.queries import told_as_query
from klarity_storage.tables.snapshot import open_snapshot
from klarity_storage.tables.views import without_views


def scan(
    location: TableLocation,
    *filters: str | Expr,
    columns: Sequence[str] | None = None,
    version: int | None = None,
    timestamp: datetime | None = None,
    limit: int | None = None,
    context: SessionContext | None = None,
) -> DataFrame:
    """A version of a table as a lazy frame: what is not asked for is not fetched.

    Filters are SQL, or DataFusion expressions, and all hold. Frames to be joined share a
    ``context``, by default one for the process. A frame made with temporary keys stops working when
    they expire: scan again.

    Tables whose files do not hold just the table's rows and columns (deletion vectors, column
    mapping, maps of structs) are read through delta-rs: as lazily on a disk, but from S3 at once,
    and no more than a GiB.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        InvalidQueryError: a filter cannot be read, or there is no such column.
        QueryLimitError: a table on S3 that is not read lazily, and more of it than is held.
    """
    table = open_snapshot(location, version, timestamp)
    schema = pa.schema(table.schema().to_arrow())
    session = prepare(context)
    # on no rows first: what is wrong with the question is known before anything is fetched
    narrowed(session.from_arrow(schema.empty_table()), filters, columns, limit)
    frame = open_frame(session, location, table, schema, filters, columns)
    return without_views(narrowed(frame, filters, columns, limit))


def narrowed(
    frame: DataFrame,
    filters: Sequence[str | Expr],
    columns: Sequence[str] | None,
    limit: int | None,
) -> DataFrame:
    """The frame's rows for which all filters hold, its chosen columns, its first rows."""
    names = frame.schema().names
    for condition in filters:
        with told_as_query(f"the filter {str(condition)!r}", names):
            frame = frame.filter(condition)
            frame.optimized_logical_plan()  # finds what the types do not allow
    if columns is not None:
        for name in columns:
            if name not in names:
                raise InvalidQueryError(
                    f"There is no column {name!r}{nearest(name, names)}.",
                    hint=f"The columns are {', '.join(names)}.",
                )
        frame = frame.select(*(col(quoted(name)) for name in columns))
    if limit is not None and limit < 0:
        raise InvalidQueryError(f"A limit of {limit} rows cannot be.")
    return frame if limit is None else frame.limit(limit)


def open_frame(
    session: SessionContext,
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    filters: Sequence[str | Expr] = (),
    columns: Sequence[str] | None = None,
    *,
    in_order: bool = False,
) -> DataFrame:
    """A snapshot as a frame, with all rows for which the filters hold, and perhaps others.

    Its text may be views.

    Args:
        session: the frame's.
        location: where the table lies.
        table: the snapshot.
        schema: its columns.
        filters: by them, files that cannot matter are left out.
        columns: the only ones that will be asked for, beside those of the filters.
        in_order: whether the rows of a version always come in the same order, in a session with a
            single partition.
    """
    with told_as_ours(location.name):
        files = chosen_files(table, schema, filters)
        frame = open_files(session, location, table, schema, files, in_order=in_order)
        if frame is None:
            return through_delta(
                session, location, table, schema, filters, columns, in_order=in_order
            )
        return frame
