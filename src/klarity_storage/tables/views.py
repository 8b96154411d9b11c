"""Text and bytes as views inside a query, and as plain arrays outside.

DataFusion reads, compares and groups text twice as fast as views (``Utf8View``) into what the file
holds. Other readers of Arrow do not all know views, so what comes out of a frame has none.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as is_
from datafusion import DataFrame, Expr, col

from klarity_storage.tables.filters import quoted


def with_views(schema: pa.Schema) -> pa.Schema:
    """The columns as a Parquet scan is to read them."""
    return pa.schema([field.with_type(_VIEWS.get(field.type, field.type)) for field in schema])


def without_views(frame: DataFrame) -> DataFrame:
    """The frame with plain text and bytes; frames with two columns of one name stay as they are."""
    schema = frame.schema()
    if not has_views(schema) or len(set(schema.names)) < len(schema.names):
        return frame
    return frame.select(*map(_plain, schema))


def has_views(schema: pa.Schema) -> bool:
    """Whether any value is a view."""
    return any(plain_type(field.type) != field.type for field in schema)


def plain_type(type_: pa.DataType) -> pa.DataType:
    """The type without views.

    >>> plain_type(pa.list_(pa.string_view()))
    ListType(list<item: string>)
    """
    if is_.is_string_view(type_):
        return pa.string()
    if is_.is_binary_view(type_):
        return pa.binary()
    if is_.is_list(type_):
        return pa.list_(type_.value_field.with_type(plain_type(type_.value_type)))
    if is_.is_struct(type_):
        return pa.struct([field.with_type(plain_type(field.type)) for field in type_])
    return type_


_VIEWS = {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}


def _plain(field: pa.Field) -> Expr:
    column = col(quoted(field.name))
    plain = plain_type(field.type)
    if plain == field.type:
        return column
    said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    return column.cast(plain).alias(field.name, said or None)
