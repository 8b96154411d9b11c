"""Columns that a table is partitioned by: their values stand in paths, so not every one can."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as is_

from klarity_storage.errors import InvalidDataError, SchemaMismatchError
from klarity_storage.layout import MAX_SEGMENT_BYTES, Name
from klarity_storage.tables.fit import nearest

_KINDS = (
    is_.is_integer, is_.is_boolean, is_.is_date, is_.is_decimal, is_.is_string, is_.is_timestamp,
)  # fmt: skip


def check_partitions(names: Sequence[str], schema: pa.Schema) -> None:
    """Raise InvalidDataError when a new table of these columns cannot be partitioned so."""
    for name in names:
        if name not in schema.names:
            raise InvalidDataError(
                f"There is no column {name!r} to partition by{nearest(name, schema.names)}."
            )
        if not any(fits(schema.field(name).type) for fits in _KINDS):
            raise InvalidDataError(
                f"A table cannot be partitioned by {name!r}, a {schema.field(name).type}: such "
                "values do not come back from a path as they were.",
                hint="Partition by whole numbers, dates, decimals, timestamps or short texts.",
            )
    if len(set(names)) == len(schema.names):
        raise InvalidDataError("A table needs a column that it is not partitioned by.")


def same_partitions(names: Sequence[str], there: Sequence[str], table: Name) -> None:
    """Raise SchemaMismatchError when a table is partitioned otherwise than asked for."""
    if names and list(names) != list(there):
        told = f"by {', '.join(map(repr, there))}" if there else "not at all"
        raise SchemaMismatchError(
            f"The table {table} is partitioned {told}, not by {', '.join(map(repr, names))}.",
            hint="Leave the partitions out, or push into a new table.",
        )


def check_values(array: pa.Array, column: str) -> None:
    """Raise InvalidDataError for a value that does not come back from a path as it was."""
    if is_.is_decimal(array.type):
        _check_decimals(array, column)
    if not is_.is_string(array.type):
        return
    for value in pc.unique(array).to_pylist():
        if value == "":
            raise InvalidDataError(
                f"The column {column!r} holds an empty text, which is no partition: Delta reads it "
                "as null.",
                hint="Replace it, by null for example.",
            )
        if value is not None and len(f"{quote(column)}={quote(value)}") > MAX_SEGMENT_BYTES:
            raise InvalidDataError(
                f"A value of the column {column!r} is too long for a partition: {value[:40]!r}…",
                hint="Partition by something short.",
            )


def _check_decimals(array: pa.Array, column: str) -> None:
    for value in pc.unique(array).to_pylist():
        if value is not None and value < 0 and value != int(value):
            raise InvalidDataError(
                f"The column {column!r} holds {value}, which is no partition: delta-rs spells "
                "negative numbers with a fraction so that nothing reads them.",
                hint="Partition by whole numbers.",
            )
