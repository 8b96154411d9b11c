"""CSV files, streamed: plain, gzipped, or alone in a zip archive."""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv
import pyarrow.types as is_

from klarity_storage.errors import InvalidDataError
from klarity_storage.tables.delta_types import check_columns
from klarity_storage.tables.stream import ArrowStream
from klarity_storage.tables.text import check_rounded, not_utf8

NULLS = ("", "NA", "NULL", "null")
"""What is read as null unless it stands in quotes."""

_BLOCK = 8 << 20
"""Bytes parsed at a time; the first block decides the types of columns that were not given."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_TYPE_FAULT = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (.+)")
_ROW_FAULT = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


def is_csv(path: Path) -> bool:
    """Whether the file's name says CSV: ``.csv`` or ``.tsv``, also with ``.gz`` or ``.zip``."""
    return _delimiter(path) is not None


def read_csv(
    path: Path, types: Mapping[str, pa.DataType], like: pa.Schema | None = None
) -> ArrowStream:
    """Stream a CSV file with a header line, in UTF-8.

    ``""``, ``NA``, ``NULL`` and ``null`` are null unless quoted. Types that are given, or those of
    the table, come first; the others are inferred from the first 8 MiB. Times of day stay text,
    which Delta has no type for.

    Raises:
        InvalidDataError: not UTF-8, no header, ragged rows, or a column whose values stop fitting
            its type; the row or the column is named.
    """
    with _told(path, [], ()):
        if _bytes(path).read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise not_utf8(path, None)
        there = {} if like is None else {f.name: f.type for f in like if not is_.is_nested(f.type)}
        known = {**there, **types}
        reader = _open(path, {})
        names = reader.schema.names
        check_columns(names)
        unknown = [name for name in types if name not in names]
        if unknown:
            raise InvalidDataError(f"{path} has no column {unknown[0]!r}.")
        times = {field.name: pa.string() for field in reader.schema if is_.is_time(field.type)}
    if times or known:
        with _told(path, names, known):
            reader = _open(path, {**times, **known})
    _check_text(path, reader.schema, known)
    return ArrowStream(reader.schema, _batches(path, reader, known))


def _batches(
    path: Path, reader: pa.csv.CSVStreamingReader, known: Mapping[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    guessed = [name for name in reader.schema.names if name not in known]
    with _told(path, reader.schema.names, known):
        for batch in reader:
            check_rounded(path, batch, guessed)
            yield batch


def _open(path: Path, types: Mapping[str, pa.DataType]) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        _bytes(path),
        # one thread: only then do errors tell the row
        read_options=pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict(types),
            null_values=list(NULLS),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _bytes(path: Path) -> IO[bytes] | pa.NativeFile:
    if path.suffix.lower() == ".gz":
        return pa.input_stream(str(path), compression="gzip")
    if path.suffix.lower() != ".zip":
        return pa.input_stream(str(path), compression=None)
    archive = zipfile.ZipFile(path)
    members = [name for name in archive.namelist() if not name.endswith("/")]
    if len(members) != 1:
        raise InvalidDataError(
            f"{path} holds {len(members)} files, not one.", hint="Unpack it and push one file."
        )
    return archive.open(members[0])


def _delimiter(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] in (".gz", ".zip"):
        suffixes.pop()
    return _DELIMITERS.get(suffixes[-1]) if suffixes else None


def _check_text(path: Path, schema: pa.Schema, types: Mapping[str, pa.DataType]) -> None:
    for field in schema:
        if is_.is_binary(field.type) and field.name not in types:
            raise not_utf8(path, field.name)
    if len(schema) == 1 and ";" in schema.names[0]:
        raise InvalidDataError(
            f"{path} is separated by semicolons.", hint="Save it with commas, or read it yourself."
        )


@contextmanager
def _told(path: Path, names: list[str], known: Container[str]) -> Iterator[None]:
    """Tell a parser's error in terms of the file: its row, its column."""
    try:
        yield
    except InvalidDataError:
        raise
    except UnicodeDecodeError as error:
        raise not_utf8(path, None) from error
    except (pa.ArrowException, zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
        raise _fault(path, str(error), names, known) from error


def _fault(path: Path, text: str, names: list[str], known: Container[str]) -> InvalidDataError:
    if "invalid UTF8" in text:
        column = _TYPE_FAULT.search(text)
        return not_utf8(path, names[int(column[1])] if column and names else None)
    if ragged := _ROW_FAULT.search(text):
        return InvalidDataError(
            f"Row {ragged[1]} of {path} has {ragged[3]} values, but there are {ragged[2]} columns.",
            hint="The header counts as row 1 and empty lines do not count; mend the row.",
        )
    if (changed := _TYPE_FAULT.search(text)) and names:
        column_name = names[int(changed[1])]
        row = f" in row {changed[2]}" if changed[2] else ""
        if column_name in known:
            return InvalidDataError(
                f"A value of the column {column_name!r} of {path} is not of its type: {changed[3]}"
                f"{row}.",
                hint="Mend the value, or push into a table whose column has another type.",
            )
        return InvalidDataError(
            f"The column {column_name!r} of {path} began as another type: {changed[3]}{row}.",
            hint=f"Say types={{{column_name!r}: 'string'}}, or --type {column_name}=string.",
        )
    if "Empty CSV" in text:
        return InvalidDataError(f"{path} is empty.", hint="A CSV file begins with its header line.")
    return InvalidDataError(f"{path} cannot be read as CSV: {text}.")
