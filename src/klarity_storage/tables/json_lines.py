"""Files of JSON lines, streamed: plain or gzipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.json
import pyarrow.types as is_

from klarity_storage.errors import InvalidDataError
from klarity_storage.tables.delta_types import check_columns
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.stream import ArrowStream
from klarity_storage.tables.text import check_rounded, not_utf8

_BLOCK = 8 << 20
"""Bytes parsed at a time; the first block decides columns and types that were not given."""

_CHANGED = re.compile(r"Column\(/([^)]*)\) changed from (\S+) to (\S+)")
_TWICE = re.compile(r"Column\(/([^)]*)\) was specified twice")


def is_json_lines(path: Path) -> bool:
    """Whether the file's name says so: ``.jsonl`` or ``.ndjson``, also with ``.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in (".jsonl", ".ndjson")


def read_json_lines(
    path: Path, types: Mapping[str, pa.DataType], like: pa.Schema | None
) -> ArrowStream:
    """Stream a file of JSON objects, one a line, in UTF-8; a field that a line lacks is null there.

    Types that are given, or those of the table, come first; the others are inferred from the first
    8 MiB. A text stays a text: it becomes a time only where a type says so.

    Raises:
        InvalidDataError: not UTF-8, not JSON, a field that comes later than the first 8 MiB, or
            whose values stop fitting its type; it is named.
    """
    with _told(path):
        found = _open(path, None).schema
        check_columns(found.names)
        for name in types:
            if name not in found.names:
                raise InvalidDataError(f"{path} has no field {name!r}{nearest(name, found.names)}.")
        there = {} if like is None else dict(zip(like.names, like.types, strict=True))
        known = {**there, **types}
        # a field that the file lacks is no column of it: a merge would put null in its place
        wanted = {f.name: known.get(f.name, _as_written(f.type)) for f in found}
        reader = _open(path, pa.schema([(n, _readable(type_)) for n, type_ in wanted.items()]))
    guessed = [name for name in wanted if name not in known]
    return ArrowStream(reader.schema, _batches(path, reader, guessed), wanted)


def _batches(
    path: Path, reader: pa.json.StreamingReader, guessed: list[str]
) -> Iterator[pa.RecordBatch]:
    with _told(path):
        for batch in reader:
            try:
                batch.validate(full=True)
            except pa.ArrowInvalid as error:
                raise not_utf8(path, None) from error
            check_rounded(path, batch, guessed)
            yield batch


def _open(path: Path, schema: pa.Schema | None) -> pa.json.StreamingReader:
    compression = "gzip" if path.suffix.lower() == ".gz" else None
    return pa.json.open_json(
        pa.input_stream(str(path), compression=compression),
        read_options=pa.json.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=pa.json.ParseOptions(
            explicit_schema=schema,
            unexpected_field_behavior="infer" if schema is None else "error",
        ),
    )


def _as_written(type_: pa.DataType) -> pa.DataType:
    """An inferred type, without the times that Arrow sees in texts."""
    if is_.is_timestamp(type_):
        return pa.string()
    if is_.is_list(type_):
        return pa.list_(_as_written(type_.value_type))
    if is_.is_struct(type_):
        return pa.struct([field.with_type(_as_written(field.type)) for field in type_])
    return type_


def _readable(type_: pa.DataType) -> pa.DataType:
    """What Arrow's parser takes in the place of a type: it has no dates and no bytes."""
    return pa.string() if is_.is_date(type_) or is_.is_binary(type_) else type_


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise not_utf8(path, None) from error
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _fault(path, str(error)) from error


def _fault(path: Path, text: str) -> InvalidDataError:
    if changed := _CHANGED.search(text):
        return InvalidDataError(
            f"The field {changed[1]!r} of {path} is a {changed[2]} in one line and a {changed[3]} "
            "in another.",
            hint="Give all its values one type in the file.",
        )
    if twice := _TWICE.search(text):
        return InvalidDataError(f"A line of {path} holds the field {twice[1]!r} twice.")
    if "unexpected field" in text:
        return InvalidDataError(
            f"{path} has a field that its first 8 MiB do not have.",
            hint="Let a line near its beginning hold every field, as null where there is none.",
        )
    if "straddl" in text:
        return InvalidDataError(f"{path} holds a line that is longer than 8 MiB.")
    if "Empty JSON" in text:
        return InvalidDataError(f"{path} is empty.", hint="It holds one JSON object a line.")
    return InvalidDataError(f"{path} cannot be read as JSON lines: {text}.")
