"""Partitions are read lazily: their values stand in the log, and only what is asked for comes."""

from __future__ import annotations

import datetime as dt
import tempfile
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from datafusion import col, lit
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klarity_storage.layout import Kind, Name
from klarity_storage.tables import files as files_module
from klarity_storage.tables.location import TableLocation, delta_options
from klarity_storage.tables.plain import is_plain
from klarity_storage.tables.plan import scan_files
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.conftest import CountingProxy, Place

BY = "user:alice"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TEXTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8
) | st.sampled_from(["a b", "ü/%", "*?[x]", "a=b&c#d", "..", "%20", "null", "__x__"])
PARTITIONS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXTS),
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "day": (pa.date32(), st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    "sure": (pa.bool_(), st.booleans()),
    "price": (pa.decimal128(10, 2), st.decimals(0, 9999, places=2)),
    "at": (
        pa.timestamp("us", "UTC"),
        st.integers(-(2**50), 2**50).map(lambda n: EPOCH + dt.timedelta(microseconds=n)),
    ),
}  # fmt: skip


@st.composite
def partitioned(draw: st.DrawFn) -> tuple[pa.Table, list[str]]:
    """Rows, and by what they are partitioned."""
    by = draw(st.lists(st.sampled_from(list(PARTITIONS)), min_size=1, max_size=3, unique=True))
    count = draw(st.integers(1, 8))
    columns: dict[str, pa.Array] = {"id": pa.array(range(count), pa.int64())}
    for name in by:
        type_, values = PARTITIONS[name]
        some = [*draw(st.lists(values, min_size=1, max_size=3)), None]
        columns[name] = pa.array([draw(st.sampled_from(some)) for _ in range(count)], type_)
    order = draw(st.permutations(list(columns)))
    return pa.table({name: columns[name] for name in order}), by


@given(partitioned())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_partition_comes_back_as_delta_rs_and_polars_read_it(
    rows: tuple[pa.Table, list[str]],
) -> None:
    data, by = rows
    with tempfile.TemporaryDirectory() as folder:
        location = TableLocation(Name("a", Kind.TABLES, "b"), f"{folder}/b")
        push_table(lambda: location, data, by=BY, partition_by=by)
        table = DeltaTable(location.uri)
        assert is_plain(table, data.schema)

        found = pa.table(scan(location)).sort_by("id")
        delta = QueryBuilder().register("t", table).execute("select * from t order by id")

        expected = data.to_pylist()
        assert found.schema.types == data.schema.types
        assert found.to_pylist() == expected
        assert pa.table(delta.read_all()).select(data.column_names).to_pylist() == expected
        assert pl.scan_delta(location.uri).sort("id").collect().to_dicts() == expected
        for name in by:  # each of its values, asked for
            for value in set(data[name].to_pylist()):
                wanted = [row for row in expected if row[name] == value]
                scalar = lit(pa.scalar(value, PARTITIONS[name][0]))
                asked = col(name).is_null() if value is None else col(name) == scalar
                assert pa.table(scan(location, asked)).sort_by("id").to_pylist() == wanted


def test_values_of_floats_are_not_mixed(on_disk: Place) -> None:
    """Other tools partition by floats: 0.0 and -0.0 are equal, and two values all the same."""
    location = on_disk("floats")()
    data = pa.table({"id": [1, 2, 3], "f": [0.0, -0.0, float("nan")]})
    write_deltalake(location.uri, data, partition_by=["f"])

    found = pa.table(scan(location)).sort_by("id")

    assert list(map(str, found["f"].to_pylist())) == ["0.0", "-0.0", "nan"]


def test_more_partitions_than_scans_are_read_through_delta_rs(
    on_disk: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = on_disk("parts")
    push_table(parts, {"id": range(9), "p": range(9)}, by=BY, partition_by=["p"])
    scans: list[str] = []

    def counted(session: Any, urls: list[str], schema: pa.Schema) -> Any:
        scans.extend(urls)
        return scan_files(session, urls, schema)

    monkeypatch.setattr(files_module, "scan_files", counted)
    monkeypatch.setattr(files_module, "_GROUPS_ON_DISK", 3)

    assert scan(parts()).count() == 9
    assert scans == []
    assert scan(parts(), "p < 2").sort("id").to_pydict() == {"id": [0, 1], "p": [0, 1]}
    assert len(scans) == 2  # the log leaves no others


def test_columns_that_came_later_are_null_in_partitions_that_lack_them(place: Place) -> None:
    parts = place("parts")
    push_table(parts, {"id": [1], "p": ["a"]}, by=BY, partition_by=["p"])
    push_table(parts, {"id": [2], "p": ["b"], "new": [True]}, by=BY, evolve=True)

    assert sorted(pa.table(scan(parts(), columns=["id", "new", "p"])).to_pylist(), key=repr) == [
        {"id": 1, "new": None, "p": "a"},
        {"id": 2, "new": True, "p": "b"},
    ]


def test_maps_are_scanned_lazily_unless_their_values_may_have_grown(place: Place) -> None:
    maps = place("maps")
    type_ = pa.map_(pa.string(), pa.list_(pa.int64()))
    push_table(maps, pa.table({"id": [1, 2], "m": pa.array([[("k", [1])], None], type_)}), by=BY)
    location = maps()
    table = DeltaTable(location.uri, storage_options=delta_options(location))
    grown = pa.map_(pa.string(), pa.list_(pa.struct([("x", pa.int64())])))

    assert is_plain(table, pa.schema(table.schema().to_arrow()))
    assert scan(location).sort("id").to_pydict()["m"] == [[("k", [1])], None]
    assert not is_plain(table, pa.schema([("m", grown)]))
    assert not is_plain(table, pa.schema([("s", pa.struct([("m", grown)]))]))


def test_only_the_partition_that_is_asked_for_is_fetched(
    on_s3: Place, proxy: CountingProxy
) -> None:
    count, cities = 800_000, 8
    noise = np.random.default_rng(1).integers(0, 1 << 62, count)
    push_table(
        on_s3("parts"),
        {"id": np.arange(count), "city": [f"city {n % cities}" for n in range(count)], "n": noise},
        by=BY,
        partition_by=["city"],
    )
    push_table(on_s3("names"), {"city": ["city 3"], "name": ["Ulm"]}, by=BY)
    keys = on_s3("parts")().s3
    assert keys is not None
    through = msgspec.structs.replace(keys, endpoint=proxy.endpoint)
    parts = on_s3("parts", through)
    fetched: dict[str, int] = {}
    for what, frame in {
        "all": scan(parts()),
        "text": scan(parts(), "city = 'city 3'"),
        "expression": scan(parts()).filter(col("city") == "city 3"),
        "any of two": scan(parts()).filter("city in ('city 1', 'city 2')"),
        "other": scan(parts()).filter("city = 'nowhere'"),
    }.items():
        before = proxy.received
        rows = sum(batch.num_rows for batch in frame.collect())
        fetched[what] = proxy.received - before
        assert rows == {"all": count, "any of two": count // 4, "other": 0}.get(what, count // 8)

    assert fetched["all"] > 6_000_000
    assert fetched["text"] < fetched["all"] / 7
    assert fetched["expression"] < fetched["all"] / 7
    assert fetched["any of two"] < fetched["all"] / 3.5
    assert fetched["other"] < 1_000
