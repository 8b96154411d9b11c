"""The rows of a query, streamed into the format that was asked for."""

from __future__ import annotations

import queue
import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from klarity_storage.cli import _format
from klarity_storage.cli._output import Column, Output
from klarity_storage.errors import (
    InvalidInputError,
    InvalidQueryError,
    StorageError,
    UnavailableError,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from datafusion import DataFrame

SUFFIXES: Final = {
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
}
BINARY: Final = ("parquet", "arrow")
_LAYERS = re.compile(r"^((DataFusion|External|Arrow|Parquet|Object Store) error: )+")
_SILENT = re.compile(r"error sending request|onnection (refused|reset|closed)|after \d+ retries")
"""The engine's fault, not the query's."""

_AHEAD = 4
"""Batches that may wait between DataFusion and a slower pipe or disk."""


@dataclass(frozen=True)
class Query:
    """What to write, and how."""

    frame: DataFrame
    form: str | None
    output: Path | None
    rows: int
    """At most so many in a table for people."""


def write_rows(query: Query, out: Output) -> None:
    """Run a query and write its rows.

    Raises:
        InvalidQueryError: the query fails while it runs.
        InvalidInputError: the format and the place do not go together.
    """
    form = _form(query, out)
    if form == "table":
        _write_table(query, out)
        return
    with _sink(query.output) as sink:
        count = _WRITERS[form](_Rows(query.frame), sink)
    if query.output:
        out.say(f"Wrote {_format.things(count, 'row')} to {query.output}.")


def _form(query: Query, out: Output) -> str:
    form = query.form or (SUFFIXES.get(query.output.suffix) if query.output else None)
    if query.output and form in {None, "table"}:
        raise InvalidInputError(
            f"What to write into {query.output.name!r} is not plain.",
            hint="Add --format csv, json, parquet or arrow.",
        )
    if form is None:
        form = "json" if out.json else "table" if out.terminal else "csv"
    if form in BINARY and query.output is None and out.terminal:
        raise InvalidInputError(f"A terminal cannot show {form}.", hint="Add --output FILE.")
    return form


class _Rows:
    """The batches of a data frame: worked out in a thread, so that Ctrl-C is heard at once."""

    def __init__(self, frame: DataFrame) -> None:
        import pyarrow as pa

        with _failures():
            self._reader = pa.RecordBatchReader.from_stream(frame)
        self.schema = pa.schema([_common(field) for field in self._reader.schema])
        self._queue: queue.Queue[pa.RecordBatch | BaseException | None] = queue.Queue(_AHEAD)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        threading.Thread(target=self._read, name="query", daemon=True).start()
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                with _failures():
                    raise item
            yield item.cast(self.schema)

    def _read(self) -> None:
        try:
            for batch in self._reader:
                self._queue.put(batch)
            self._queue.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks
            self._queue.put(error)


def _common(field: pa.Field) -> pa.Field:
    """Views are new in Arrow; what reads files knows plain strings."""
    import pyarrow as pa

    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return field.with_type(plain.get(field.type, field.type))


@contextmanager
def _failures() -> Iterator[None]:
    """Whatever DataFusion raises while it runs, as an error of ours."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        text = _LAYERS.sub("", str(error).partition("\n")[0]).rstrip(". ")
        told = UnavailableError if _SILENT.search(str(error)) else InvalidQueryError
        raise told(f"The query failed: {text}.") from error


@contextmanager
def _sink(output: Path | None) -> Iterator[BinaryIO]:
    """Stdout, or a file that appears under its name when it is complete."""
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as stream:
            yield stream
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _write_csv(rows: _Rows, sink: BinaryIO) -> int:
    import pyarrow as pa
    from pyarrow import csv

    texts = [i for i, field in enumerate(rows.schema) if not _fits_csv(field.type)]
    schema = rows.schema
    for i in texts:
        schema = schema.set(i, schema.field(i).with_type(pa.string()).with_nullable(True))
    count = 0
    with csv.CSVWriter(sink, schema) as writer:
        for batch in rows:
            columns = list(batch.columns)
            for i in texts:
                columns[i] = pa.array(map(_as_text, columns[i].to_pylist()), pa.string())
            writer.write_batch(pa.record_batch(columns, schema=schema))
            count += batch.num_rows
    return count


def _fits_csv(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_decimal(kind))


def _as_text(value: Any) -> str | None:
    """Lists and structs as JSON, bytes in base64, decimals with all their digits."""
    import msgspec

    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode().strip('"')


def _write_json(rows: _Rows, sink: BinaryIO) -> int:
    import msgspec
    import pyarrow as pa

    names = rows.schema.names
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidQueryError(
            f"Two columns are named {min(twice)!r}, which JSON cannot hold.",
            hint="Give one another name: select a.id as a_id, …",
        )
    encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
    exact = pa.schema([_beyond_python(field) for field in rows.schema])
    count = 0
    sink.write(b"[")
    for batch in rows:
        for row in batch.cast(exact).to_pylist():
            sink.write((b",\n" if count else b"") + encoder.encode(row))
            count += 1
    sink.write(b"]\n")
    return count


def _beyond_python(field: pa.Field) -> pa.Field:
    """Python's times end at microseconds: nanoseconds become text."""
    import pyarrow as pa

    nano = pa.types.is_timestamp(field.type) and field.type.unit == "ns"
    return field.with_type(pa.string()) if nano else field


def _write_parquet(rows: _Rows, sink: BinaryIO) -> int:
    from pyarrow import parquet

    with parquet.ParquetWriter(sink, rows.schema) as writer:
        return _pour(rows, writer.write_batch)


def _write_arrow(rows: _Rows, sink: BinaryIO) -> int:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, rows.schema) as writer:
        return _pour(rows, writer.write_batch)


def _pour(rows: _Rows, write: Callable[[pa.RecordBatch], None]) -> int:
    count = 0
    for batch in rows:
        write(batch)
        count += batch.num_rows
    return count


_WRITERS: Final[dict[str, Callable[[_Rows, BinaryIO], int]]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(fits(kind) for fits in kinds)


def _write_table(query: Query, out: Output) -> None:
    rows = _Rows(query.frame.limit(query.rows + 1))
    columns = [
        Column(field.name, right=_is_number(field.type), verbatim=True) for field in rows.schema
    ]
    cells = [
        [_format.plain(_as_text(value), exact=not out.terminal) for value in row]
        for batch in rows
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    out.rows(columns, cells[: query.rows])
    if len(cells) > query.rows:
        out.say(f"These are the first {query.rows}; for all rows: --format csv, or --output FILE.")
    elif not cells:
        out.say("No row.")
