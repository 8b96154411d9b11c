"""Rows into a table, in one commit or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from klarity_storage.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidDataError,
    InvalidInputError,
    StorageError,
    TableNotFoundError,
)
from klarity_storage.protocol.tables import TableInfo
from klarity_storage.tables.change import check_writable, told_who_was_first
from klarity_storage.tables.comments import new_comments, set_comments, with_comments
from klarity_storage.tables.commit import FILE_BYTES, HOOKS, Signature, parquet
from klarity_storage.tables.delta_types import has_null_type
from klarity_storage.tables.describe import describe_table, own_metadata
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.fit import fit
from klarity_storage.tables.frames import can_read_again, to_stream
from klarity_storage.tables.lasting import lasting
from klarity_storage.tables.location import Locate, TableLocation, delta_options
from klarity_storage.tables.merge import check_keys, merge_rows, set_aside
from klarity_storage.tables.partition import check_partitions, same_partitions
from klarity_storage.tables.predicate import check_predicate
from klarity_storage.tables.snapshot import open_snapshot
from klarity_storage.tables.stream import ArrowStream

Mode = Literal["append", "overwrite", "merge", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How rows are written; see ``push_table``."""

    signature: Signature
    mode: Mode = "append"
    keys: Sequence[str] = ()
    where: str | None = None
    partition_by: Sequence[str] = ()
    evolve: bool = False
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InvalidInputError(
                f"{self.mode!r} is not a mode.",
                hint="The modes are append, overwrite, merge and error.",
            )
        if bool(self.keys) != (self.mode == "merge"):
            raise InvalidInputError(
                "The mode merge takes keys, and the others take none.",
                hint="Say which columns tell one row from another: keys=['id'].",
            )
        if self.where is not None and self.mode != "overwrite":
            raise InvalidInputError(f"The mode {self.mode} overwrites nothing: it takes no where.")

    @property
    def replaces_all(self) -> bool:
        """Whether no row stays, so that the columns may be any."""
        return self.mode == "overwrite" and self.where is None and self.evolve


def push_table(
    locate: Locate,
    data: Any,
    *,
    by: str,
    mode: Mode = "append",
    keys: Sequence[str] = (),
    where: str | None = None,
    partition_by: Sequence[str] = (),
    evolve: bool = False,
    types: Mapping[str, pa.DataType | str] | None = None,
    columns: Sequence[str] | None = None,
    message: str = "",
    lineage: Sequence[str] = (),
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> TableInfo:
    """Write rows into a table, which is made when it does not exist, in one commit.

    The columns are compared before anything is written: their order is free, and a type may be
    narrower than the table's. A failure on the way commits nothing. Appends of several writers all
    land; two changes that exclude each other give one of them a ConflictError that says what the
    other was. Keys that end are renewed on the way. ``data``, ``types`` and ``columns`` are what
    ``frames.to_stream`` takes. Comments that come in the data's Arrow fields stay with new columns.
    Metadata, a description that differs from the table's, and comments of columns that have none
    are set in commits of their own, after the rows.

    Raises:
        InvalidDataError: the data cannot be read as a table, or breaks a condition.
        SchemaMismatchError: its columns do not fit the table's; every one is named.
        InvalidQueryError: ``where`` is no condition on the table's columns.
        ConflictError: somebody else changed the table; with ``mode="error"``, it exists.
    """
    order = Order(
        signature=Signature(by, message, tuple(lineage)), mode=mode, keys=keys, where=where,
        partition_by=partition_by, evolve=evolve, description=description, metadata=metadata or {},
    )  # fmt: skip
    source = _Source(data, types, columns)
    try:
        comments = _push(locate, source, order)
    except ConflictError:
        # several made the table at once: rows that can be read anew go into what one of them made
        if mode != "append" or not can_read_again(data):
            raise
        comments = _push(locate, source, order)
    _set_properties(locate, order)
    if comments:
        return set_comments(locate, comments, by=by)
    return describe_table(locate())


@dataclass(frozen=True, slots=True)
class _Source:
    data: Any
    types: Mapping[str, pa.DataType | str] | None
    columns: Sequence[str] | None

    def open(self, like: pa.Schema | None) -> ArrowStream:
        return to_stream(self.data, types=self.types, columns=self.columns, like=like)


def _push(locate: Locate, source: _Source, order: Order) -> dict[str, str]:
    """Commit the rows; returns the comments that columns of the table still lack."""
    with lasting(locate) as location:
        table = _existing(location)
        if table is not None and order.mode == "error":
            raise AlreadyExistsError(
                f"The table {location.name} exists already.",
                hint="Push with mode append, overwrite or merge.",
            )
        there = None if table is None else pa.schema(table.schema().to_arrow())
        stream = source.open(None if order.replaces_all else there)
        target = _target(stream, table, there, order, location)
        check_writable(location)
        try:
            with told_who_was_first(location, -1 if table is None else table.version()):
                _write(location, table, stream, target, order)
        except StorageError:
            if stream.failure is not None:  # the source's own words, not what came through Arrow
                raise stream.failure from None
            raise
        return {} if there is None or order.replaces_all else new_comments(stream.schema, there)


def _existing(location: TableLocation) -> DeltaTable | None:
    try:
        return open_snapshot(location)
    except TableNotFoundError:
        return None


def _target(
    stream: ArrowStream,
    table: DeltaTable | None,
    there: pa.Schema | None,
    order: Order,
    location: TableLocation,
) -> pa.Schema:
    """The columns that are written, once it is sure that they can be."""
    if order.keys:
        check_keys(order.keys, stream.schema)
    if table is None or there is None:
        check_partitions(order.partition_by, stream.schema)
        check_types(stream.schema.names, stream.schema)
        return stream.schema
    partitions = table.metadata().partition_columns
    same_partitions(order.partition_by, partitions, location.name)
    if order.where is not None:
        check_predicate(order.where, there)
    if order.replaces_all:
        check_partitions(partitions, stream.schema)
        target = with_comments(stream.schema, there)
    else:
        target = fit(
            stream.schema, there, location.name, evolve=order.evolve, merge=order.mode == "merge"
        )
    check_types([name for name in target.names if name not in there.names], target)
    return target


def check_types(names: Sequence[str], schema: pa.Schema) -> None:
    """Raise InvalidDataError for a new column of which nothing is known."""
    for name in names:
        if has_null_type(schema.field(name).type):
            raise InvalidDataError(
                f"The column {name!r} holds nothing but nulls, so its type is unknown.",
                hint=f"Say its type, types={{{name!r}: 'string'}}, or leave the column out.",
            )


def _write(
    location: TableLocation,
    table: DeltaTable | None,
    stream: ArrowStream,
    target: pa.Schema,
    order: Order,
) -> None:
    partitions = order.partition_by if table is None else table.metadata().partition_columns
    if order.mode != "merge":
        rows = stream.reader(target, partitions)
        _create(location, rows, order) if table is None else _add(table, rows, order)
        return
    with set_aside(stream, target, order.keys, partitions) as source:
        if table is None:
            _create(location, source.reader(), order)
        else:
            merge_rows(table, source, order.keys, order.signature, evolve=order.evolve)


def _create(location: TableLocation, rows: pa.RecordBatchReader, order: Order) -> None:
    write_deltalake(
        location.uri,
        rows,
        mode="error",
        partition_by=list(order.partition_by) or None,
        description=order.description,
        storage_options=delta_options(location),
        target_file_size=FILE_BYTES,
        writer_properties=parquet(rows.schema),
        # without retries: delta-rs would append to a table that somebody else has just made
        commit_properties=order.signature.commit(retries=0),
        post_commithook_properties=HOOKS,
    )


def _add(table: DeltaTable, rows: pa.RecordBatchReader, order: Order) -> None:
    evolution: Literal["overwrite", "merge"] | None = "merge" if order.evolve else None
    if order.replaces_all:
        evolution = "overwrite"
    # its overloads want the mode as a literal
    write_deltalake(  # type: ignore[call-overload]
        table,
        rows,
        mode="overwrite" if order.mode == "overwrite" else "append",
        predicate=order.where,
        schema_mode=evolution,
        target_file_size=FILE_BYTES,
        writer_properties=parquet(rows.schema),
        commit_properties=order.signature.commit(),
        post_commithook_properties=HOOKS,
    )


def _set_properties(locate: Locate, order: Order) -> None:
    description, metadata, by = order.description, dict(order.metadata), order.signature.by
    if description is None and not metadata:
        return
    location = locate()
    table = open_snapshot(location)
    with told_as_ours(location.name, writing=True):
        if description is not None and description != (table.metadata().description or ""):
            table.alter.set_table_description(
                description,
                commit_properties=Signature(by, "set the description").commit(),
                post_commithook_properties=HOOKS,
            )
        if metadata and not metadata.items() <= own_metadata(table).items():
            table.alter.set_table_properties(
                metadata,
                raise_if_not_exists=False,
                commit_properties=Signature(by, "set metadata").commit(),
                post_commithook_properties=HOOKS,
            )
