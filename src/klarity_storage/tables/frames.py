"""Whatever people keep rows in, as one stream of Arrow batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from klarity_storage.errors import FileMissingError, InvalidDataError, StorageError
from klarity_storage.tables.csv_files import is_csv, read_csv
from klarity_storage.tables.delta_types import check_columns
from klarity_storage.tables.failures import first_line
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.json_lines import is_json_lines, read_json_lines
from klarity_storage.tables.stream import ArrowStream

_ROWS = 65_536


def to_stream(
    data: Any,
    *,
    types: Mapping[str, pa.DataType | str] | None = None,
    columns: Sequence[str] | None = None,
    like: pa.Schema | None = None,
) -> ArrowStream:
    """Read rows as a stream, without a copy of the whole where the source allows.

    The data may be a path (CSV, JSON lines, both also with ``.gz``, or Parquet), pandas, Polars
    (eager or lazy), PyArrow (table, batch, reader, dataset), a ``datafusion.DataFrame``, anything
    with ``__arrow_c_stream__`` or ``__arrow_c_array__``, a NumPy array, structured or with two
    dimensions and the names of its ``columns``, a dict of arrays, or a list of dicts, where an
    absent key is null.

    A pandas index is kept when it has a name; missing values of pandas, NaN among them, are nulls.
    ``types`` gives types of columns: Arrow's, or their names. Text files that say none take those
    of the table that they go into, ``like``.

    >>> to_stream([{"id": 1, "score": 0.5}, {"id": 2}]).reader().read_all().to_pydict()
    {'id': [1, 2], 'score': [0.5, None]}

    Raises:
        InvalidDataError: the data cannot be read as a table; what is wrong, and where, is named.
        FileMissingError: there is no such file.
    """
    try:
        given = _arrow_types(types or {})
        if columns is not None:
            data = _named_columns(data, columns)
        if isinstance(data, str | os.PathLike):
            return _read_path(Path(data), given, like)
        stream = _read_object(data, given)
        _check_given(given, stream.schema.names)
        return stream
    except StorageError:
        raise
    except Exception as error:  # a frame is foreign code: it may raise anything
        raise InvalidDataError(
            f"The data cannot be read as a table: {first_line(error)}."
        ) from error


def can_read_again(data: Any) -> bool:
    """Whether the data gives its rows a second time; a stream may end up silently empty."""
    if isinstance(data, Mapping):
        return not any(isinstance(values, Iterator) for values in data.values())
    again = (str, os.PathLike, list, pa.Table, pa.RecordBatch, pa.dataset.Dataset)
    return isinstance(data, again) or _package(data) in ("pandas", "polars")


def _package(data: Any) -> str:
    return type(data).__module__.partition(".")[0]


def _arrow_types(types: Mapping[str, pa.DataType | str]) -> dict[str, pa.DataType]:
    return {
        name: pa.type_for_alias(type_) if isinstance(type_, str) else type_
        for name, type_ in types.items()
    }


def _check_given(types: Mapping[str, pa.DataType], names: Sequence[str]) -> None:
    for name in types:
        if name not in names:
            raise InvalidDataError(f"The data has no column {name!r}{nearest(name, list(names))}.")


def _read_path(path: Path, types: Mapping[str, pa.DataType], like: pa.Schema | None) -> ArrowStream:
    if not path.exists():
        raise FileMissingError(f"There is no file {path}.", hint="Check the path.")
    if path.is_dir():
        raise InvalidDataError(
            f"{path} is a directory.", hint="Push pyarrow.dataset.dataset(path) to take all of it."
        )
    try:
        if is_csv(path):
            return read_csv(path, types, like)
        if is_json_lines(path):
            return read_json_lines(path, types, like)
        if path.suffix.lower() in (".parquet", ".pq"):
            return _read_parquet(path, types)
    except PermissionError as error:
        raise InvalidDataError(f"The system does not let you read {path}.") from error
    raise InvalidDataError(
        f"{path} is neither CSV nor JSON lines nor Parquet by its name.",
        hint="Use .csv, .tsv, .jsonl or .ndjson (also .gz), or .parquet; or push a data frame.",
    )


def _read_parquet(path: Path, types: Mapping[str, pa.DataType]) -> ArrowStream:
    try:
        file = pa.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidDataError(f"{path} is not a whole Parquet file: {error}.") from error
    _check_given(types, file.schema_arrow.names)
    batches = file.iter_batches(_ROWS, use_threads=False)
    return ArrowStream(file.schema_arrow, batches, types)


def _read_object(data: Any, types: Mapping[str, pa.DataType]) -> ArrowStream:
    if isinstance(data, pa.dataset.Dataset):
        data = data.scanner(use_threads=False).to_reader()
    if isinstance(data, pa.Table):
        return ArrowStream(data.schema, data.to_batches(), types)
    if isinstance(data, pa.RecordBatchReader):
        return ArrowStream(data.schema, data, types)
    package = _package(data)
    if package == "polars" and hasattr(data, "collect"):
        data = data.collect(engine="streaming")
    if hasattr(data, "__arrow_c_stream__") and package != "pandas":
        reader = pa.RecordBatchReader.from_stream(data)
        return ArrowStream(reader.schema, reader, types)
    if hasattr(data, "__arrow_c_array__"):
        batch = pa.record_batch(data)
        return ArrowStream(batch.schema, [batch], types)
    return _from_python(data, package, types)


def _from_python(data: Any, package: str, types: Mapping[str, pa.DataType]) -> ArrowStream:
    if package == "pandas" and hasattr(data, "columns"):
        return _from_pandas(data, types)
    if package == "numpy":
        return _from_numpy(data, types)
    if isinstance(data, Mapping):
        return _from_columns(data, types)
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return _from_rows(data, types)
    raise InvalidDataError(
        f"A {type(data).__name__} cannot be read as a table.",
        hint="Pass a path, a data frame, an Arrow table, a dict of columns or a list of dicts.",
    )


def _named_columns(data: Any, columns: Sequence[str]) -> dict[str, Any]:
    if _package(data) != "numpy" or getattr(data, "ndim", 0) != 2 or isinstance(columns, str):
        raise InvalidDataError(
            "Names of columns are for a NumPy array of two dimensions only.",
            hint="Name the columns in the data.",
        )
    if data.shape[1] != len(columns):
        raise InvalidDataError(
            f"The array has {data.shape[1]} columns, but {len(columns)} names were given."
        )
    return {name: data[:, number] for number, name in enumerate(_distinct(columns))}


def _distinct(names: Sequence[str]) -> Sequence[str]:
    check_columns(list(names))
    return names


def _from_pandas(frame: Any, types: Mapping[str, pa.DataType]) -> ArrowStream:
    named = [name for name in frame.index.names if name is not None]
    if named:
        frame = frame.reset_index(named)
    odd = [label for label in frame.columns if not isinstance(label, str)]
    if odd:
        raise InvalidDataError(
            f"The column label {odd[0]!r} is not text.", hint="Rename the columns to text."
        )
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return ArrowStream(table.schema, table.to_batches(), types)


def _from_numpy(array: Any, types: Mapping[str, pa.DataType]) -> ArrowStream:
    if array.dtype.names is None or array.ndim != 1:
        raise InvalidDataError(
            "A NumPy array without named fields has no columns.",
            hint="Name them: columns=['x', 'y'] for an array of two dimensions.",
        )
    return _from_columns({name: array[name] for name in array.dtype.names}, types)


def _from_columns(columns: Mapping[str, Any], types: Mapping[str, pa.DataType]) -> ArrowStream:
    arrays = {name: _array(values, name, types.get(name)) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise InvalidDataError(f"The columns differ in length: {told} values.")
    table = pa.table(arrays)
    return ArrowStream(table.schema, table.to_batches(), types)


def _from_rows(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType]) -> ArrowStream:
    names = dict.fromkeys(name for row in rows for name in row)
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, types)


def _native(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder("="))  # instruments write big-endian


def _array(values: Any, name: Any, type_: pa.DataType | None) -> pa.Array | pa.ChunkedArray:
    if not isinstance(name, str):
        raise InvalidDataError(f"The column label {name!r} is not text.")
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidDataError(f"The column {name!r} is a {type(values).__name__}, not values.")
    if _package(values) == "numpy":
        values = _native(values)
    try:
        return pa.array(list(values) if isinstance(values, Iterator) else values, type_)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InvalidDataError(
            f"The column {name!r} cannot be read: {error}.",
            hint="Give all its values one type.",
        ) from error
