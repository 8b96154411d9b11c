"""A table as a lazy DataFusion frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.types as is_
from datafusion import DataFrame, Expr, SessionContext, col
from datafusion.catalog import Table
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from klarity_storage.errors import InvalidQueryError
from klarity_storage.tables.context import engine_url, prepare, shared_context
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.plan import UnknownPlanError, scan_files
from klarity_storage.tables.queries import told_as_query
from klarity_storage.tables.snapshot import open_snapshot

_PLAIN_FEATURES = {"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
"""What a table may ask of a reader without its files meaning other than they say."""

_PLAIN_URL = re.compile(r"[A-Za-z0-9:/._=+-]+\.parquet")
"""Addresses that no reader takes for a pattern or an escape."""


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

    Tables whose files do not hold just the table's rows and columns (deletion vectors, partitions,
    column mapping, maps) are read through delta-rs: as lazily on a disk, but from S3 whole and at
    once.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        InvalidQueryError: a filter cannot be read, or there is no such column.
    """
    table = open_snapshot(location, version, timestamp)
    schema = pa.schema(table.schema().to_arrow())
    session = prepare(context)
    # on no rows first: what is wrong with the question is known before anything is fetched
    narrowed(session.from_arrow(schema.empty_table()), filters, columns, limit)
    frame = open_frame(session, location, table, schema, filters)
    return narrowed(frame, filters, columns, limit)


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
        frame = frame.select(*map(_column, columns))
    if limit is not None and limit < 0:
        raise InvalidQueryError(f"A limit of {limit} rows cannot be.")
    return frame if limit is None else frame.limit(limit)


def open_frame(
    session: SessionContext,
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    filters: Sequence[str | Expr] = (),
) -> DataFrame:
    """The whole snapshot as a frame; the filters only tell which files cannot matter."""
    with told_as_ours(location.name):
        frame = open_files(session, location, table, schema, _files(table, schema, filters))
        return _through_delta(session, location, table, schema) if frame is None else frame


def open_files(
    session: SessionContext,
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    files: list[str],
) -> DataFrame | None:
    """Some of a snapshot's files as a frame, or None where files alone do not tell their rows."""
    if not _is_plain(table, schema):
        return None
    urls = _urls(session, location, files)
    if urls == []:
        return session.from_arrow(schema.empty_table())
    if urls is None:
        return None
    try:
        return scan_files(session, urls, schema)
    except UnknownPlanError:
        return None  # another DataFusion: the slower way reads the same rows


def _through_delta(
    session: SessionContext, location: TableLocation, table: DeltaTable, schema: pa.Schema
) -> DataFrame:
    if location.s3 is not None:
        rows = QueryBuilder().register("t", table).execute("SELECT * FROM t")
        return session.from_arrow(pa.RecordBatchReader.from_stream(rows).cast(schema))
    # delta-rs's provider holds on to its session weakly, so to one that stays
    frame = session.read_table(Table(table, shared_context()))
    plain = (_column(field.name).cast(field.type).alias(field.name) for field in schema)
    return frame.select(*plain)  # delta-rs reads text as views


def _column(name: str) -> Expr:
    return col('"' + name.replace('"', '""') + '"')


def _is_plain(table: DeltaTable, schema: pa.Schema) -> bool:
    """Whether the table's rows are just those of its files, with the columns that stand in them."""
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    metadata = table.metadata()
    return (
        features <= _PLAIN_FEATURES
        and metadata.configuration.get("delta.columnMapping.mode", "none") == "none"
        and not metadata.partition_columns
        and not any(_holds_map(field.type) for field in schema)
        and not ("deletionVectors" in features and _has_deleted(table))
    )


def _has_deleted(table: DeltaTable) -> bool:
    return any(batch.num_rows for batch in table.deletion_vectors())


def _holds_map(type_: pa.DataType) -> bool:
    # DataFusion's reader refuses a map whose values have gained a field since
    return is_.is_map(type_) or any(
        _holds_map(type_.field(index).type) for index in range(type_.num_fields)
    )


def _files(table: DeltaTable, schema: pa.Schema, filters: Sequence[str | Expr]) -> list[str]:
    """The snapshot's files, without those that the log's minima and maxima rule out."""
    floats = [field.name.casefold() for field in schema if is_.is_floating(field.type)]
    sure = [  # minima and maxima leave NaN out, which DataFusion holds above all numbers
        f"({text})"
        for text in filters
        if isinstance(text, str) and not any(name in text.casefold() for name in floats)
    ]
    kept = table.file_uris()
    for text in sure:
        try:
            chosen = set(table.file_uris(file_pruning_predicate=text))
        except DeltaError:  # a condition that the log's statistics say nothing of
            continue
        kept = [uri for uri in kept if uri in chosen]
    return kept


def _urls(session: SessionContext, location: TableLocation, files: list[str]) -> list[str] | None:
    """The files' addresses in the session, or None when one lies elsewhere or has an odd name."""
    if location.s3 is None:
        start, base = f"{location.uri.rstrip('/')}/", f"file://{location.uri.rstrip('/')}/"
    else:
        start = f"s3://{location.s3.bucket}/"
        base = engine_url(session, location.s3)
    if not all(uri.startswith(f"{location.uri.rstrip('/')}/") for uri in files):
        return None
    urls = [base + uri.removeprefix(start) for uri in files]
    return urls if all(_PLAIN_URL.fullmatch(url) for url in urls) else None
