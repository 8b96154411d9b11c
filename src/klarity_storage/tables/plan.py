"""One Parquet scan over many files, by writing their paths into a serialised DataFusion plan.

``SessionContext.read_parquet`` takes one path, and a union of one scan a file is slower. The plan
of such a read is a protobuf (``datafusion.proto``): ``LogicalPlanNode.listing_scan`` is field 1,
and in it ``ListingTableScanNode.paths`` is field 2, repeated. Whatever looks otherwise is refused,
so that another version of DataFusion leads to the slower way and never to other rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from datafusion import DataFrame, SessionContext
from datafusion.plan import LogicalPlan

_LISTING_SCAN = 1
_PATHS = 2
_BYTES = 2
"""The wire type of strings and messages."""


class UnknownPlanError(Exception):
    """The plan is not what this module knows: read the table in another way."""


def scan_files(context: SessionContext, urls: list[str], schema: pa.Schema) -> DataFrame:
    """One lazy frame over exactly these files; columns that a file lacks are null there.

    Raises:
        UnknownPlanError: DataFusion's plan has another form.
    """
    one = context.read_parquet(urls[0], schema=schema)
    fields = _as_fields(urls)
    plan = _with_fields(one.logical_plan().to_bytes(context), urls[0], fields)
    try:
        many = LogicalPlan.from_bytes(context, plan)
    except Exception as error:
        raise UnknownPlanError(str(error)) from error
    back = many.to_bytes(context)
    # the quick look first: thousands of paths take their time one by one
    if (len(back) != len(plan) or fields not in back) and _paths(back) != urls:
        raise UnknownPlanError("the plan came back with other paths")
    frame = context.create_dataframe_from_logical_plan(many)
    if not frame.schema().equals(schema):
        raise UnknownPlanError("the plan came back with another schema")
    return frame


def with_paths(plan: bytes, urls: list[str]) -> bytes:
    """The plan of a read of ``urls[0]``, as a read of them all."""
    return _with_fields(plan, urls[0], _as_fields(urls))


def _with_fields(plan: bytes, first: str, paths: bytes) -> bytes:
    if _paths(plan) != [first]:
        raise UnknownPlanError("the plan does not read the one path that it was made from")
    others = b"".join(raw for number, _, raw in _fields(_scan(plan)) if number != _PATHS)
    return _field(_LISTING_SCAN, paths + others)


def _as_fields(urls: list[str]) -> bytes:
    texts = [url.encode() for url in urls]
    heads = {size: _head(_PATHS, size) for size in set(map(len, texts))}  # most are as long
    return b"".join([part for text in texts for part in (heads[len(text)], text)])


def _paths(plan: bytes) -> list[str]:
    fields = _fields(_scan(plan))
    try:
        return [value.decode() for number, value, _ in fields if number == _PATHS]
    except UnicodeDecodeError as error:
        raise UnknownPlanError("a path is not text") from error


def _scan(plan: bytes) -> bytes:
    fields = list(_fields(plan))
    if len(fields) != 1 or fields[0][0] != _LISTING_SCAN:
        raise UnknownPlanError("the plan is not one scan")
    return fields[0][1]


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, value and raw bytes of every field; the value of a number stays empty."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        value = b""
        if key & 7 == _BYTES:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif key & 7 == 0:
            _, at = _varint(message, at)
        elif key & 7 in (1, 5):
            at += 8 if key & 7 == 1 else 4
        else:
            raise UnknownPlanError(f"wire type {key & 7}")
        if at > len(message):
            raise UnknownPlanError("the plan ends in the middle of a field")
        yield key >> 3, value, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise UnknownPlanError("a number without an end")


def _field(number: int, value: bytes) -> bytes:
    return _head(number, len(value)) + value


def _head(number: int, size: int) -> bytes:
    """What stands before so many bytes."""
    return _encode(number << 3 | _BYTES) + _encode(size)


def _encode(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
