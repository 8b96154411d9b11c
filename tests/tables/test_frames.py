from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datafusion
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from klarity_storage.errors import FileMissingError, InvalidDataError
from klarity_storage.tables.frames import can_read_again, to_stream
from tables.support import read

ROWS: dict[str, list[Any]] = {"id": [1, 2], "name": ["a", None]}


class Stream:
    """Foreign data that speaks nothing but Arrow's C interface."""

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return pa.table(ROWS).__arrow_c_stream__(schema)


class Array:
    def __arrow_c_array__(self, schema: object = None) -> object:
        return pa.record_batch(ROWS).__arrow_c_array__(schema)


SOURCES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "polars lazy": lambda: pl.LazyFrame(ROWS),
    "arrow table": lambda: pa.table(ROWS),
    "arrow batch": lambda: pa.record_batch(ROWS),
    "arrow reader": lambda: pa.table(ROWS).to_reader(),
    "arrow dataset": lambda: pa.dataset.dataset(pa.table(ROWS)),
    "datafusion": lambda: datafusion.SessionContext().from_pydict(ROWS),
    "columns": lambda: dict(ROWS),
    "rows": lambda: [{"id": 1, "name": "a"}, {"id": 2}],
    "stream capsule": Stream,
    "array capsule": Array,
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_rows_in_the_same_types(source: str) -> None:
    table = read(SOURCES[source]())

    assert table.to_pydict() == ROWS
    assert table.schema.types == [pa.int64(), pa.string()]


def test_structured_arrays_and_dicts_of_arrays_are_columns() -> None:
    structured = np.array([(1, 2.5)], dtype=[("a", ">i4"), ("b", "f8")])

    assert read(structured).to_pydict() == {"a": [1], "b": [2.5]}
    assert read({"x": np.array([1.5, np.nan])})["x"].null_count == 0


def test_two_dimensions_take_names() -> None:
    array = np.array([[1, 2], [3, 4]], dtype=">i4")

    assert to_stream(array, columns=["x", "y"]).reader().read_all().to_pydict() == {
        "x": [1, 3],
        "y": [2, 4],
    }
    for data, names, told in (
        (array, ["x"], "has 2 columns, but 1 names"),
        (array, ["x", "x"], "Two columns have the name 'x'"),
        (np.zeros(3), ["x"], "two dimensions only"),
        (ROWS, ["x", "y"], "two dimensions only"),
    ):
        with pytest.raises(InvalidDataError, match=told):
            to_stream(data, columns=names)


def test_types_may_be_given_to_any_data(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"a": [1]}), file)

    for data in ({"a": [1]}, [{"a": 1}], pa.table({"a": [1]}), pd.DataFrame({"a": [1]}),
                 pl.DataFrame({"a": [1]}), file):  # fmt: skip
        assert read(data, {"a": "int16"}).schema.field("a").type == pa.int16()
        with pytest.raises(InvalidDataError, match="no column 'b'"):
            read(data, {"b": "int16"})
    assert read({"a": [None]}, {"a": "string"}).schema.field("a").type == pa.string()
    with pytest.raises(InvalidDataError, match="'a'"):
        read(pa.table({"a": [300]}), {"a": "int8"})
    with pytest.raises(InvalidDataError, match="'a'"):
        read({"a": [300]}, {"a": "int8"})


def test_a_pandas_index_is_kept_when_it_has_a_name() -> None:
    frame = pd.DataFrame({"a": [1, 2]})

    assert read(frame).column_names == ["a"]
    assert read(frame.set_index(pd.Index([7, 8], name="id"))).to_pydict() == {
        "id": [7, 8],
        "a": [1, 2],
    }


def test_missing_values_of_pandas_are_null() -> None:
    assert read(pd.DataFrame({"a": [1.5, None]})).to_pydict() == {"a": [1.5, None]}


def test_parquet_files_are_streamed(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table(ROWS), file)

    assert read(file).to_pydict() == ROWS
    assert read(str(file)).to_pydict() == ROWS


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (5, "A int cannot"),
        ([], "no columns"),
        ({}, "no columns"),
        (np.zeros((2, 2)), "without named fields"),
        (pd.DataFrame([[1, 2]]), "label 0 is not text"),
        ({"a": [1], "b": [1, 2]}, "'a' has 1, 'b' has 2"),
        ({"a": "text"}, "'a' is a str"),
        ({"a": [2**70]}, "'a' cannot be read"),
        ([{"a": 1}, {"a": "x"}], "'a' cannot be read"),
        (pa.table([[1], [2]], names=["a", "a"]), "Two columns have the name 'a'"),
        ({"a": [1], "A": [2]}, "'a' and 'A' differ in case only"),
        ({"": [1]}, "empty name"),
        (pd.DataFrame({"a": [1, "x"]}), "column a"),
        (pl.LazyFrame({"a": [1]}).select("b"), 'column "b"'),
    ],
)
def test_what_is_not_a_table_is_refused_with_the_reason(data: Any, told: str) -> None:
    with pytest.raises(InvalidDataError, match=told):
        read(data)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1], pa.time64("us")),
        pa.array([1], pa.duration("s")),
        pa.array([None], pa.decimal256(40, 2)),
        pa.array([None], pa.decimal128(5, -2)),
        pa.array([None], pa.month_day_nano_interval()),
        pa.array([{}], pa.struct([])),
        pa.array([[1]], pa.list_view(pa.int64())),
        pa.array([[dt.time(1)]], pa.list_(pa.time64("us"))),
        pa.array([b"a" * 16], pa.uuid()),
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.timestamp("us"))),
        pd.period_range("2020", periods=1, freq="D"),
    ],
    ids=lambda column: str(getattr(column, "type", "period")),
)
def test_a_type_that_delta_does_not_have_is_refused_by_name(column: Any) -> None:
    data = (
        pa.table({"odd": column}) if isinstance(column, pa.Array) else pd.DataFrame({"odd": column})
    )

    with pytest.raises(InvalidDataError, match="'odd' has the type"):
        read(data)


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        (pa.array([255], pa.uint8()), pa.int16()),
        (pa.array([2**32 - 1], pa.uint32()), pa.int64()),
        (pa.array([2**63 - 1], pa.uint64()), pa.int64()),
        (pa.array([np.float16(1.5)], pa.float16()), pa.float32()),
        (pa.array(["a"], pa.large_string()), pa.string()),
        (pa.array(["a"], pa.string_view()), pa.string()),
        (pa.array([b"ab"], pa.binary(2)), pa.binary()),
        (pa.array(["a", None, "a"]).dictionary_encode(), pa.string()),
        (pa.array([1_000], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([1], pa.timestamp("s", "Europe/Paris")), pa.timestamp("us", "UTC")),
        (pa.array([86_400_000], pa.date64()), pa.date32()),
        (pa.array([None], pa.decimal256(20, 2)), pa.decimal128(20, 2)),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), pa.list_(pa.int8())),
        (pa.RunEndEncodedArray.from_arrays([2], ["x"]), pa.string()),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_layouts_that_delta_does_not_have_become_equal_ones(
    column: pa.Array, type_: pa.DataType
) -> None:
    table = read(pa.table({"a": column}))

    assert table["a"].to_pylist() == column.to_pylist()
    assert table["a"].type.equals(type_) or pa.types.is_list(type_)


def test_polars_categories_become_text() -> None:
    frame = pl.DataFrame({"a": pl.Series(["x", None, "y"], dtype=pl.Categorical)})

    assert read(frame)["a"].to_pylist() == ["x", None, "y"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**63], pa.uint64()),
        pa.array([1_001], pa.timestamp("ns")),
        pa.array([2**60], pa.timestamp("s")),
        pa.array([1], pa.int64()).view(pa.date64()),
    ],
    ids=lambda column: str(column.type),
)
def test_values_that_would_be_rounded_are_refused(column: pa.Array) -> None:
    with pytest.raises(InvalidDataError, match="A value of the column 'a' does not fit"):
        read(pa.table({"a": column}))


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "a.xlsx").write_bytes(b"")

    with pytest.raises(FileMissingError, match="no file"):
        read(tmp_path / "b.csv")
    with pytest.raises(InvalidDataError, match="not a whole Parquet file"):
        read(tmp_path / "a.parquet")
    with pytest.raises(InvalidDataError, match="neither CSV nor JSON lines nor Parquet"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(InvalidDataError, match="is a directory"):
        read(tmp_path)


def test_only_what_gives_its_rows_again_can_be_read_again() -> None:
    assert can_read_again(pd.DataFrame(ROWS))
    assert can_read_again(ROWS)
    assert not can_read_again({"a": iter([1])})
    assert not can_read_again(pa.table(ROWS).to_reader())
