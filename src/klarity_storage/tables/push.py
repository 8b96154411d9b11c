"""Rows into a table, in one commit or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import obstore
import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    WriterProperties,
    write_deltalake,
)
from obstore.exceptions import PreconditionError

from klarity_storage.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidDataError,
    InvalidInputError,
    StorageError,
    TableNotFoundError,
)
from klarity_storage.protocol.tables import TableInfo
from klarity_storage.tables.delta_types import has_null_type
from klarity_storage.tables.describe import describe_table, own_metadata
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.fit import fit
from klarity_storage.tables.frames import can_read_again, to_stream
from klarity_storage.tables.location import Locate, TableLocation, delta_options, open_store
from klarity_storage.tables.snapshot import open_snapshot
from klarity_storage.tables.stream import ArrowStream

Mode = Literal["append", "overwrite", "error"]

_FILE_BYTES = 128 << 20
"""A Parquet file's size: few requests to scan a table, little to fetch for a part of one."""


def push_table(
    locate: Locate,
    data: Any,
    *,
    mode: Mode = "append",
    message: str = "",
    by: str,
    types: Mapping[str, pa.DataType | str] | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> TableInfo:
    """Write rows into a table, which is made when it does not exist, in one commit.

    The columns are compared before anything is written: their order is free, and a type may be
    narrower than the table's. A failure on the way commits nothing. Appends of several writers all
    land; two that exclude each other give one of them a ConflictError.

    ``data`` and ``types`` are what ``frames.to_stream`` takes. ``overwrite`` replaces all rows;
    ``error`` refuses a table that exists. ``message`` and ``by`` go into the commit as Delta's
    ``userMetadata`` and ``userName``. Metadata, and a description that differs from the table's,
    are set in commits of their own, after the rows.

    Raises:
        InvalidDataError: the data cannot be read as a table.
        SchemaMismatchError: its columns do not fit the table's; every one is named.
        AlreadyExistsError: ``mode="error"`` and the table exists.
        ConflictError: somebody else changed the table in a way that excludes this.
        ForbiddenError: the keys may not write here.
        UnavailableError: the engine does not answer.
    """
    if mode not in ("append", "overwrite", "error"):
        raise InvalidInputError(
            f"{mode!r} is not a mode.", hint="The modes are append, overwrite and error."
        )
    order = _Order(mode, by, message, description)
    try:
        _push(locate(), to_stream(data, types=types), order)
    except ConflictError:
        # several made the table at once: rows that can be read anew go into what one of them made
        if mode != "append" or not can_read_again(data):
            raise
        _push(locate(), to_stream(data, types=types), order)
    _set_properties(locate, description, metadata, by=by)
    return describe_table(locate())


@dataclass(frozen=True, slots=True)
class _Order:
    mode: Mode
    by: str
    message: str
    description: str | None


def _push(location: TableLocation, stream: ArrowStream, order: _Order) -> None:
    table = _existing(location)
    if table is not None and order.mode == "error":
        raise AlreadyExistsError(
            f"The table {location.name} exists already.", hint="Push with mode append or overwrite."
        )
    target = _new_schema(stream) if table is None else fit(stream.schema, table, location.name)
    _check_writable(location)
    try:
        with told_as_ours(location.name, writing=True):
            if table is None:
                _create(location, stream.reader(target), order)
            else:
                _add(table, stream.reader(target), order)
    except StorageError:
        if stream.failure is not None:  # the source's own words, not what came through Arrow
            raise stream.failure from None
        raise


def _existing(location: TableLocation) -> DeltaTable | None:
    try:
        return open_snapshot(location)
    except TableNotFoundError:
        return None


def _new_schema(stream: ArrowStream) -> pa.Schema:
    for field in stream.schema:
        if has_null_type(field.type):
            raise InvalidDataError(
                f"The column {field.name!r} holds nothing but nulls, so its type is unknown.",
                hint="Give the column a type, or leave it out of a new table.",
            )
    return stream.schema


def _check_writable(location: TableLocation) -> None:
    """Ask the engine whether these keys may write, with a PUT whose condition cannot hold.

    delta-rs, refused in the middle of a Parquet file, also prints a panic of its own thread.
    """
    if location.s3 is None:
        return
    with told_as_ours(location.name, writing=True):
        try:
            obstore.put(
                open_store(location), "_delta_log/_write_check", b"", mode={"e_tag": '"none"'}
            )
        except (PreconditionError, FileNotFoundError):
            return


def _create(location: TableLocation, rows: pa.RecordBatchReader, order: _Order) -> None:
    write_deltalake(
        location.uri,
        rows,
        mode="error",
        description=order.description,
        storage_options=delta_options(location),
        target_file_size=_FILE_BYTES,
        writer_properties=_parquet(rows.schema),
        # without retries: delta-rs would append to a table that somebody else has just made
        commit_properties=_commit(order.by, order.message, retries=0),
    )


def _add(table: DeltaTable, rows: pa.RecordBatchReader, order: _Order) -> None:
    write_deltalake(
        table,
        rows,
        mode="overwrite" if order.mode == "overwrite" else "append",
        target_file_size=_FILE_BYTES,
        writer_properties=_parquet(rows.schema),
        commit_properties=_commit(order.by, order.message),
    )


def _parquet(schema: pa.Schema) -> WriterProperties:
    # Parquet's minima and maxima leave NaN out: readers that trust them skip rows, and DataFusion
    # may read a column of 1.0 and NaN as 1.0 throughout. So none for floats, nested ones included
    sure = ColumnProperties(statistics_enabled="PAGE")
    plain = [field.name for field in schema if not _may_hold_nan(field.type)]
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        max_row_group_size=256 << 10,  # rows: what a filter can skip at once
        default_column_properties=ColumnProperties(statistics_enabled="NONE"),
        column_properties=dict.fromkeys(plain, sure),
    )


def _may_hold_nan(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_nested(type_))


def _commit(by: str, message: str, retries: int | None = None) -> CommitProperties:
    return CommitProperties({"userName": by, "userMetadata": message}, max_commit_retries=retries)


def _set_properties(
    locate: Locate, description: str | None, metadata: Mapping[str, str] | None, *, by: str
) -> None:
    if description is None and not metadata:
        return
    location = locate()
    table = open_snapshot(location)
    with told_as_ours(location.name, writing=True):
        if description is not None and description != (table.metadata().description or ""):
            table.alter.set_table_description(
                description, commit_properties=_commit(by, "set the description")
            )
        if metadata and not metadata.items() <= own_metadata(table).items():
            table.alter.set_table_properties(
                dict(metadata),
                raise_if_not_exists=False,
                commit_properties=_commit(by, "set metadata"),
            )
