"""Arrow's types in Delta's: equal, or refused by name, never quietly less."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as is_

from klarity_storage.errors import InvalidDataError

_Fits = Callable[[pa.DataType], bool]
_Target = Callable[[pa.DataType], pa.DataType]

_MAX_PRECISION = 38


def delta_type(type_: pa.DataType, column: str) -> pa.DataType:
    """The Arrow type under which a Delta table keeps every value of a column.

    Unsigned integers become the next wider signed one, ``float16`` a ``float32``, dictionaries
    their values, timestamps microseconds (a zone becomes UTC: the same instants), and the large
    and fixed-size layouts the plain one. ``null`` stays: it takes the table's type.

    >>> delta_type(pa.dictionary(pa.int8(), pa.large_string()), "city")
    DataType(string)

    Raises:
        InvalidDataError: Delta has no such type; the column is named.
    """
    for fits, target in _PLAIN:
        if fits(type_):
            return target(type_)
    if is_.is_dictionary(type_) or is_.is_run_end_encoded(type_):
        return delta_type(type_.value_type, column)
    if is_.is_decimal(type_) and 0 <= type_.scale <= type_.precision <= _MAX_PRECISION:
        return pa.decimal128(type_.precision, type_.scale)
    if _is_list(type_):
        return pa.list_(pa.field("element", delta_type(type_.value_type, column)))
    if is_.is_map(type_) and not _holds_local_time(type_):
        return pa.map_(delta_type(type_.key_type, column), delta_type(type_.item_type, column))
    if is_.is_struct(type_) and type_.num_fields:
        return pa.struct([_field(field, column) for field in type_])
    raise InvalidDataError(
        f"The column {column!r} has the type {type_}, which Delta Lake does not have.",
        hint="Convert the column first, for example to a number, a timestamp or text.",
    )


def check_columns(names: list[str]) -> None:
    """Raise InvalidDataError when there are no columns, or two that readers would confuse."""
    if not names:
        raise InvalidDataError("The data has no columns.", hint="A table needs one at least.")
    seen: dict[str, str] = {}
    for name in names:
        if not name:
            raise InvalidDataError("A column has an empty name.", hint="Name every column.")
        if name in seen.values():
            raise InvalidDataError(f"Two columns have the name {name!r}.", hint="Rename one.")
        if name.casefold() in seen:
            raise InvalidDataError(
                f"The columns {seen[name.casefold()]!r} and {name!r} differ in case only.",
                hint="Rename one: readers of Delta Lake do not tell the case of names apart.",
            )
        seen[name.casefold()] = name


def has_null_type(type_: pa.DataType) -> bool:
    """Whether nothing is known of a type, or of a type inside it, but that all is null."""
    return is_.is_null(type_) or any(
        has_null_type(type_.field(index).type) for index in range(type_.num_fields)
    )


def widens(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether every value of one Delta type is a value of the other.

    >>> widens(pa.int32(), pa.int64()), widens(pa.int64(), pa.int32())
    (True, False)
    """
    if source.equals(target) or is_.is_null(source):
        return True
    for same_kind in (is_.is_signed_integer, is_.is_floating):
        if same_kind(source) and same_kind(target):
            return bool(source.bit_width <= target.bit_width)
    if is_.is_decimal(source) and is_.is_decimal(target):
        more = target.scale - source.scale
        return bool(more >= 0 and target.precision - source.precision >= more)
    for nested in (is_.is_list, is_.is_map, is_.is_struct):
        if nested(source) and nested(target):
            return _fields_widen(source, target, by_name=nested is is_.is_struct)
    return False


def _fields_widen(source: pa.DataType, target: pa.DataType, *, by_name: bool) -> bool:
    ours = [source.field(index) for index in range(source.num_fields)]
    theirs = [target.field(index) for index in range(target.num_fields)]
    return len(ours) == len(theirs) and all(
        widens(one.type, other.type) and (one.name == other.name or not by_name)
        for one, other in zip(ours, theirs, strict=True)
    )


def exact_cast(array: pa.Array, target: pa.DataType, column: str) -> pa.Array:
    """The same values under another type.

    Raises:
        InvalidDataError: a value does not fit; the column is named.
    """
    if array.type.equals(target):
        return array
    try:
        if is_.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        if is_.is_dictionary(array.type):  # the values first: few, and views cannot be taken from
            array = array.dictionary.cast(target).take(array.indices)
        return array.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidDataError(
            f"A value of the column {column!r} does not fit {target}: {error}.",
            hint="Round or convert the column first; nothing is ever rounded on the way.",
        ) from error


def _field(field: pa.Field, column: str) -> pa.Field:
    return pa.field(field.name, delta_type(field.type, f"{column}.{field.name}"))


def _holds_local_time(type_: pa.DataType) -> bool:
    # delta-rs makes no table with timestamps without a zone inside a map
    return bool(is_.is_timestamp(type_) and type_.tz is None) or any(
        _holds_local_time(type_.field(index).type) for index in range(type_.num_fields)
    )


def _is_list(type_: pa.DataType) -> bool:
    return bool(is_.is_list(type_) or is_.is_large_list(type_) or is_.is_fixed_size_list(type_))


def _is_text(type_: pa.DataType) -> bool:
    return bool(is_.is_string(type_) or is_.is_large_string(type_) or is_.is_string_view(type_))


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(
        is_.is_binary(type_)
        or is_.is_large_binary(type_)
        or is_.is_binary_view(type_)
        or is_.is_fixed_size_binary(type_)
    )


def _timestamp(type_: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", "UTC" if type_.tz is not None else None)


_UNSIGNED = {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.int64()}

_PLAIN: tuple[tuple[_Fits, _Target], ...] = (
    (is_.is_signed_integer, lambda type_: type_),
    (is_.is_unsigned_integer, lambda type_: _UNSIGNED[type_.bit_width]),
    (is_.is_float16, lambda _: pa.float32()),
    (is_.is_floating, lambda type_: type_),
    (is_.is_boolean, lambda type_: type_),
    (is_.is_null, lambda type_: type_),
    (_is_text, lambda _: pa.string()),
    (_is_bytes, lambda _: pa.binary()),
    (is_.is_date, lambda _: pa.date32()),
    (is_.is_timestamp, _timestamp),
)
