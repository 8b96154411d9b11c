"""A filter as JSON holds it, written as SQL for one table's columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import pyarrow as pa
import pyarrow.types as is_

from klarity_storage.errors import InvalidQueryError
from klarity_storage.protocol import queries as q
from klarity_storage.tables.fit import nearest

_SIGNS: Final[dict[type[q.Compare], str]] = {
    q.Equal: "=",
    q.NotEqual: "<>",
    q.Less: "<",
    q.LessOrEqual: "<=",
    q.Greater: ">",
    q.GreaterOrEqual: ">=",
}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_INTEGERS: Final = {8: "TINYINT", 16: "SMALLINT", 32: "INT", 64: "BIGINT"}
_WIDEST: Final = 38
"""Digits of a decimal."""


def conditions(wanted: q.Filter, schema: pa.Schema) -> list[str]:
    r"""The filter as SQL conditions that must all hold; each may rule files out by itself.

    >>> conditions(q.Equal(column="id", value="9007199254740993"), pa.schema([("id", pa.int64())]))
    ['"id" = CAST(\'9007199254740993\' AS BIGINT)']

    Raises:
        InvalidQueryError: there is no such column, a value is not of its type, or it is too long.
    """
    _check_size(wanted)
    parts = wanted.conditions if isinstance(wanted, q.And) else [wanted]
    return [_written(part, schema) for part in parts]


def find_column(name: str, schema: pa.Schema) -> pa.Field:
    """The column of that name, or the error that says which is near."""
    at = schema.get_field_index(name)  # `names` makes a list of them all each time
    if at < 0:
        raise InvalidQueryError(
            f"There is no column {name!r}{nearest(name, schema.names)}.",
            hint=f"The columns are {', '.join(schema.names)}.",
        )
    return schema.field(at)


def quoted(name: str) -> str:
    """A column's name as SQL takes it, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def _check_size(wanted: q.Filter) -> None:
    values = 0
    for count, (depth, part) in enumerate(_walk(wanted, 1), 1):
        values += len(part.values) if isinstance(part, q.In) else 0
        if depth > q.MAX_DEPTH or count > q.MAX_CONDITIONS or values > q.MAX_VALUES:
            raise InvalidQueryError(
                f"The filter is larger than {q.MAX_CONDITIONS} conditions, {q.MAX_VALUES} values "
                f"or {q.MAX_DEPTH} levels.",
                hint="Ask in several queries, or in SQL.",
            )


def _walk(wanted: q.Filter, depth: int) -> Iterator[tuple[int, q.Filter]]:
    yield depth, wanted
    if depth > q.MAX_DEPTH:
        return
    below: list[q.Filter] = []
    if isinstance(wanted, q.And | q.Or):
        below = wanted.conditions
    elif isinstance(wanted, q.Not):
        below = [wanted.condition]
    for part in below:
        yield from _walk(part, depth + 1)


def _written(wanted: q.Filter, schema: pa.Schema) -> str:
    match wanted:
        case q.And():
            return _joined(wanted.conditions, " AND ", "TRUE", schema)
        case q.Or():
            return _joined(wanted.conditions, " OR ", "FALSE", schema)
        case q.Not():
            return f"NOT ({_written(wanted.condition, schema)})"
        case _:
            return _of_column(wanted, find_column(wanted.column, schema))


def _of_column(wanted: q.Leaf, field: pa.Field) -> str:
    name = quoted(field.name)
    match wanted:
        case q.IsNull():
            return f"{name} IS NULL"
        case q.Like():
            return f"{name} LIKE {_pattern(wanted.pattern, field)}"
        case q.Contains():
            return f"contains({name}, {_pattern(wanted.text, field)})"
        case q.Between():
            low, high = _literal(wanted.low, field), _literal(wanted.high, field)
            return f"{name} BETWEEN {low} AND {high}"
        case q.In():
            values = ", ".join(_literal(value, field) for value in wanted.values)
            return f"{name} IN ({values})" if values else "FALSE"
    return f"{name} {_SIGNS[type(wanted)]} {_literal(wanted.value, field)}"


def _joined(parts: list[q.Filter], by: str, empty: str, schema: pa.Schema) -> str:
    return by.join(f"({_written(part, schema)})" for part in parts) or empty


def _pattern(text: str, field: pa.Field) -> str:
    if not _is_text(field.type):
        raise InvalidQueryError(
            f"The column {field.name!r} is {field.type}, and only text is searched.",
            hint="Compare its values.",
        )
    return _text(text)


def _literal(value: q.Value, field: pa.Field) -> str:
    written = next((write for fits, write in _LITERALS if fits(field.type)), None)
    if written is None:
        raise InvalidQueryError(
            f"The column {field.name!r} is {field.type}, which is compared with nothing.",
            hint="Ask whether it is_null, or ask in SQL.",
        )
    if value is None:
        return "NULL"
    try:
        literal = written(value, field.type)
    except (ValueError, InvalidOperation, OverflowError):
        literal = None
    if literal is None:
        raise InvalidQueryError(
            f"The column {field.name!r} is {field.type}, and {value!r} is no value of that.",
            hint="Integers beyond 2^53, decimals, dates and timestamps are written as text.",
        )
    return literal


def _text(value: str) -> str:
    if "\0" in value:
        raise InvalidQueryError("A text in the filter holds a NUL character.")
    return "'" + value.replace("'", "''") + "'"


def _string(value: q.Value, _type: pa.DataType) -> str | None:
    return _text(value) if isinstance(value, str) else None


def _boolean(value: q.Value, _type: pa.DataType) -> str | None:
    return str(value).upper() if isinstance(value, bool) else None


def _integer(value: q.Value, type_: pa.DataType) -> str | None:
    if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
        return f"CAST('{value!r}' AS DOUBLE)"  # between two integers
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        return None
    if isinstance(value, bool):
        return None
    number = int(value or 0)
    bits = next((b for b in (type_.bit_width, 64) if -(2 ** (b - 1)) <= number < 2 ** (b - 1)), 0)
    return f"CAST('{number}' AS {_INTEGERS[bits]})" if bits else None


def _floating(value: q.Value, type_: pa.DataType) -> str | None:
    if isinstance(value, bool):
        return None
    # as the column has it: 0.1 in 32 bits is not 0.1 in 64
    return f"CAST('{float(value or 0)!r}' AS {'DOUBLE' if type_.bit_width == 64 else 'REAL'})"


def _decimal(value: q.Value, type_: pa.DataType) -> str | None:
    number = Decimal(repr(value) if isinstance(value, float) else str(value))
    if isinstance(value, bool) or not number.is_finite():
        return None
    exponent = number.as_tuple().exponent
    scale = max(type_.scale, -exponent if isinstance(exponent, int) else 0)
    digits = max(number.adjusted() + 1, 0) + scale
    if digits > _WIDEST:
        return None
    precision = type_.precision if (scale, digits) <= (type_.scale, type_.precision) else _WIDEST
    return f"CAST('{number:f}' AS DECIMAL({precision}, {scale}))"


def _date(value: q.Value, _type: pa.DataType) -> str | None:
    if not isinstance(value, str):
        return None
    return f"CAST('{date.fromisoformat(value).isoformat()}' AS DATE)"


def _timestamp(value: q.Value, type_: pa.DataType) -> str | None:
    if not isinstance(value, str):
        return None
    at = datetime.fromisoformat(value)
    if type_.tz is None and at.tzinfo is not None:
        return None  # a time without a zone is not a moment
    since = at.replace(tzinfo=at.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    zone = "None" if type_.tz is None else f'Some("{type_.tz}")'
    micros = since // timedelta(microseconds=1)
    return f"arrow_cast(CAST('{micros}' AS BIGINT), 'Timestamp(Microsecond, {zone})')"


def _is_text(type_: pa.DataType) -> bool:
    return bool(is_.is_string(type_) or is_.is_large_string(type_) or is_.is_string_view(type_))


_LITERALS: Final[
    list[tuple[Callable[[pa.DataType], bool], Callable[[q.Value, pa.DataType], str | None]]]
] = [
    (_is_text, _string),
    (is_.is_boolean, _boolean),
    (is_.is_integer, _integer),
    (is_.is_floating, _floating),
    (is_.is_decimal, _decimal),
    (is_.is_date, _date),
    (is_.is_timestamp, _timestamp),
]
