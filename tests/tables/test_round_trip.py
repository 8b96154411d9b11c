"""Rows come back equal or are refused, and readers that are not ours agree."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klarity_storage.errors import InvalidDataError
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation, delta_options
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.conftest import Place

ZONES = st.sampled_from([None, "UTC", "Europe/Paris", "+05:30"])


def integers(bits: int, *, signed: bool = True) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high) | st.sampled_from([low, high])


LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int8(), integers(8)),
    (pa.int64(), integers(64)),
    (pa.uint32(), integers(32, signed=False)),
    (pa.uint64(), integers(64, signed=False)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text()),
    (pa.large_string(), st.text()),
    (pa.string_view(), st.text()),
    (pa.binary(), st.binary()),
    (pa.date32(), st.dates()),
    (pa.decimal128(10, 2), st.decimals(-9999, 9999, places=2)),
    (pa.decimal128(38, 38), st.just(decimal.Decimal("0." + "9" * 38))),
    (pa.time64("us"), st.times()),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "é", ""])),
]


@st.composite
def columns(draw: st.DrawFn, length: int) -> pa.Array:
    """A column of that length, of any type, with nulls, flat or nested."""
    type_, values = draw(st.sampled_from(LEAVES))
    if draw(st.booleans()) and draw(st.booleans()):
        zone = draw(ZONES)
        type_ = pa.timestamp(draw(st.sampled_from(["s", "ms", "us", "ns"])), zone)
        values = st.integers(-(10**9), 10**9)
    shape = draw(st.sampled_from(["flat", "flat", "list", "struct", "map"]))
    if shape == "list":
        type_, values = pa.list_(type_), st.lists(st.none() | values, max_size=3)
    elif shape == "struct":
        type_ = pa.struct([("x", type_), ("y", pa.int64())])
        values = st.fixed_dictionaries({"x": st.none() | values, "y": integers(64)})
    elif shape == "map" and not pa.types.is_dictionary(type_):
        type_ = pa.map_(pa.string(), type_)
        values = st.dictionaries(st.text(max_size=3), values, max_size=2).map(
            lambda entries: list(entries.items())
        )
    return pa.array(draw(st.lists(st.none() | values, min_size=length, max_size=length)), type_)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    length = draw(st.integers(0, 5))
    names = draw(
        st.lists(
            st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8),
            min_size=1,
            max_size=3,
            unique_by=str.casefold,
        )
    )
    arrays = [draw(columns(length)) for _ in names]
    return pa.table([pa.array(range(length)), *arrays], names=["#", *names])


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or one == other
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_rows_come_back_equal_or_are_refused(table: pa.Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        name = Name("vision", Kind.TABLES, "runs")
        location = TableLocation(name, str(Path(folder) / "runs"))
        try:
            push_table(lambda: location, table, by="user:alice")
        except InvalidDataError:
            assert not (Path(folder) / "runs" / "_delta_log").exists()
            return
        found = pa.table(scan(location))

        assert found.column_names == table.column_names
        assert same(sorted(found.to_pylist(), key=lambda row: row["#"]), table.to_pylist())


MIXED = pa.table(
    {
        "id": [1, 2, 3],
        "text": ["a", None, "é\n'\""],
        "number": [1.5, float("nan"), None],
        "at": pa.array([0, None, 1], pa.timestamp("us", "Europe/Paris")),
        "day": [dt.date(1970, 1, 1), None, dt.date(9999, 12, 31)],
        "price": pa.array([decimal.Decimal("1.10"), None, None], pa.decimal128(10, 2)),
        "tags": [["x"], [], None],
        "box": [{"x": 1, "y": "a"}, {"x": None, "y": None}, {"x": 3, "y": ""}],
    }
)


def test_polars_and_delta_rs_read_the_same_rows(place: Place) -> None:
    location = place("runs")()
    push_table(lambda: location, MIXED.slice(0, 2), by="user:alice")
    push_table(lambda: location, MIXED.slice(2), by="user:alice")
    options = delta_options(location)

    polars = pl.scan_delta(location.uri, storage_options=options).sort("id").collect().to_dicts()
    delta = DeltaTable(location.uri, storage_options=options).to_pyarrow_table().sort_by("id")

    assert same(polars, MIXED.to_pylist())
    assert same(delta.to_pylist(), MIXED.to_pylist())
    assert same(pa.table(scan(location)).sort_by("id").to_pylist(), MIXED.to_pylist())


def test_duckdb_reads_the_files(on_disk: Place) -> None:
    import duckdb

    location = on_disk("runs")()
    push_table(lambda: location, MIXED, by="user:alice")
    (file,) = DeltaTable(location.uri).file_uris()

    query = f"select id, text, price, tags from '{file}' order by id"
    found = duckdb.connect().execute(query).fetchall()

    assert found == [
        (1, "a", decimal.Decimal("1.10"), ["x"]),
        (2, None, None, []),
        (3, "é\n'\"", None, None),
    ]
