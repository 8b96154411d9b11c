"""Whether a table's files are its rows, so that they can be read without more than the log.

It stands by itself for the server, which lists files and never reads a row: DataFusion, which
does, is a tenth of its memory.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as is_
from deltalake import DeltaTable

_PLAIN_FEATURES = {"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
"""What a table may ask of a reader without its files meaning other than they say."""

_AS_LITERALS = (
    is_.is_integer, is_.is_boolean, is_.is_date, is_.is_decimal, is_.is_floating, is_.is_string,
    is_.is_timestamp,
)  # fmt: skip
"""Partitions of which the log's text says one value."""


def is_plain(table: DeltaTable, schema: pa.Schema) -> bool:
    """Whether the table's rows are those of its files, in the columns that stand in them."""
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    metadata = table.metadata()
    partitions = [schema.field(name).type for name in metadata.partition_columns]
    return (
        features <= _PLAIN_FEATURES
        and metadata.configuration.get("delta.columnMapping.mode", "none") == "none"
        and all(any(fits(type_) for fits in _AS_LITERALS) for type_ in partitions)
        and not any(_may_grow_in_map(field.type) for field in schema)
        and not ("deletionVectors" in features and _has_deleted(table))
    )


def _has_deleted(table: DeltaTable) -> bool:
    return any(batch.num_rows for batch in table.deletion_vectors())


def _may_grow_in_map(type_: pa.DataType, *, inside: bool = False) -> bool:
    # DataFusion's reader refuses a map whose values have gained a field since
    inside = inside or is_.is_map(type_)
    return (inside and is_.is_struct(type_)) or any(
        _may_grow_in_map(below, inside=inside) for below in _below(type_)
    )


def _below(type_: pa.DataType) -> list[pa.DataType]:
    if is_.is_map(type_):
        return [type_.key_type, type_.item_type]  # not the struct of the two that Arrow has there
    return [type_.field(index).type for index in range(type_.num_fields)]
