"""Tables that only delta-rs reads rightly: deletion vectors, column mapping, features to come.

On a disk its provider is as lazy as a scan of files. On S3 DataFusion cannot use it (the provider
crosses a C interface that loses its object store: delta-io/delta-rs#4623), so there delta-rs itself
asks for what is wanted, and the answer is held in memory, up to a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
from datafusion import DataFrame, Expr, SessionContext, col
from datafusion.catalog import Table
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from klarity_storage.errors import QueryLimitError
from klarity_storage.tables.context import shared_context
from klarity_storage.tables.files import prunable
from klarity_storage.tables.filters import quoted
from klarity_storage.tables.location import TableLocation

IN_MEMORY: Final = 1 << 30
"""Bytes of Arrow data that are held of a table on S3 which cannot be scanned lazily."""


def through_delta(
    session: SessionContext,
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    filters: Sequence[str | Expr],
    columns: Sequence[str] | None = None,
    *,
    in_order: bool = False,
) -> DataFrame:
    """The rows as delta-rs reads them; on S3 only those columns and rows that may be asked for.

    The arguments are those of ``scan.open_frame``.

    Raises:
        QueryLimitError: from S3, and more than is held in memory.
    """
    if location.s3 is not None:
        return session.from_arrow(_whole(location, table, schema, filters, columns, in_order))
    # the provider holds on to its session weakly, so to one that stays
    frame = session.read_table(Table(table, shared_context()))
    plain = (col(quoted(field.name)).cast(field.type).alias(field.name) for field in schema)
    return frame.select(*plain)  # delta-rs reads text as views


def _whole(
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    filters: Sequence[str | Expr],
    columns: Sequence[str] | None,
    in_order: bool,
) -> pa.Table:
    wanted = schema if columns is None else _needed(schema, filters, columns)
    held, batches = 0, []
    here = QueryBuilder().register("t", table)
    if in_order:
        here.execute("SET datafusion.execution.target_partitions = 1")
    for batch in _asked(here, wanted.names, prunable(schema, filters)).cast(wanted):
        held += batch.nbytes
        if held > IN_MEMORY:
            raise QueryLimitError(
                f"What is asked of {location.name} is more than {IN_MEMORY >> 20} MiB, and the "
                "table has what can only be read whole: deletion vectors or mapped columns.",
                hint=f"ks table cache {location.name}: from this disk it is read lazily. "
                "Or ask for fewer columns and, by filters in SQL, for fewer rows.",
            )
        batches.append(batch)
    return pa.Table.from_batches(batches, wanted)


def _asked(here: QueryBuilder, names: list[str], filters: list[str]) -> pa.RecordBatchReader:
    query = f"SELECT {', '.join(map(quoted, names))} FROM t"  # noqa: S608 - quoted
    if filters:
        try:
            rows = here.execute(f"{query} WHERE {' AND '.join(filters)}")
            return pa.RecordBatchReader.from_stream(rows)
        except DeltaError:  # a function of the caller's session, for example: it is asked there
            pass
    return pa.RecordBatchReader.from_stream(here.execute(query))


def _needed(schema: pa.Schema, filters: Sequence[str | Expr], columns: Sequence[str]) -> pa.Schema:
    """The chosen columns, and whatever may be one in a filter."""
    told = " ".join(map(str, filters)).casefold().replace('""', '"')
    needed = [field for field in schema if field.name in columns or field.name.casefold() in told]
    return pa.schema(needed or schema)
