from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from datafusion import SessionContext, col
from deltalake import DeltaTable, write_deltalake

from klarity_storage.errors import InvalidQueryError, TableNotFoundError
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.tables import files as files_module
from klarity_storage.tables.context import new_context
from klarity_storage.tables.location import Locate, delta_options
from klarity_storage.tables.plain import is_plain
from klarity_storage.tables.plan import UnknownPlanError, scan_files
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.conftest import CountingProxy, Place
from tables.vectors import delete_by_vector

BY = "user:alice"
NAN = float("nan")


def rows(locate: Locate, *filters: Any, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.table(scan(locate(), *filters, **options)).to_pylist()
    return sorted(found, key=repr)


@pytest.fixture
def runs(place: Place) -> Locate:
    locate = place("runs")
    for start in (0, 10):
        scores = [number / 20 for number in range(start, start + 10)]
        push_table(locate, {"id": range(start, start + 10), "Score": scores}, by=BY)
    return locate


def test_filters_columns_and_limits(runs: Locate) -> None:
    assert rows(runs, "id > 17", columns=["id"]) == [{"id": 18}, {"id": 19}]
    assert rows(runs, '"Score" < 0.1', col("id") > 0) == [{"id": 1, "Score": 0.05}]
    assert len(rows(runs, limit=3)) == 3
    assert rows(runs, "id = 5 or id in (select 6)", columns=["id"]) == [{"id": 5}, {"id": 6}]


def test_older_versions_are_read_as_they_were(runs: Locate) -> None:
    assert len(rows(runs, version=0)) == 10
    assert len(rows(runs)) == 20


def test_a_wrong_question_is_told_before_anything_is_read(runs: Locate) -> None:
    with pytest.raises(InvalidQueryError, match=r"no column 'scor' in the filter .* mean 'Score'"):
        scan(runs(), "scor > 1")
    with pytest.raises(InvalidQueryError, match="no column 'score'") as told:
        scan(runs(), "score > 1")
    assert "double quotes" in str(told.value.hint)
    with pytest.raises(InvalidQueryError, match=r"no column 'idd' .did you mean 'id'"):
        scan(runs(), columns=["idd"])
    with pytest.raises(InvalidQueryError, match="no column 'zz'"):
        scan(runs(), col("zz") > 1)
    with pytest.raises(InvalidQueryError, match="Expected"):
        scan(runs(), "id >")
    with pytest.raises(InvalidQueryError, match="non-boolean"):
        scan(runs(), "id + 1")
    with pytest.raises(InvalidQueryError, match="limit of -1"):
        scan(runs(), limit=-1)


def test_names_with_any_character_can_be_chosen(place: Place) -> None:
    odd = place("odd")
    row = {"a b": 1, "c.d (x)": 2, 'q"q': 3, "é,;{}=": 4}
    push_table(odd, [row], by=BY)

    assert rows(odd, '"c.d (x)" = 2', columns=list(row)) == [row]


def test_columns_that_a_file_lacks_are_null_and_narrow_ones_widened(place: Place) -> None:
    evolved = place("evolved")
    inner = pa.struct([("x", pa.int32())])
    push_table(evolved, pa.table({"id": [1], "s": pa.array([{"x": 1}], inner)}), by=BY)
    wider = pa.struct([("x", pa.int32()), ("y", pa.string())])
    location = evolved()
    write_deltalake(
        location.uri,
        pa.table({"new": ["z"], "id": [2], "s": pa.array([{"x": 2, "y": "q"}], wider)}),
        mode="append",
        schema_mode="merge",
        storage_options=delta_options(location),
    )

    assert rows(evolved, columns=["id", "new", "s"]) == [
        {"id": 1, "new": None, "s": {"x": 1, "y": None}},
        {"id": 2, "new": "z", "s": {"x": 2, "y": "q"}},
    ]
    assert rows(evolved, "new is null", columns=["id"]) == [{"id": 1}]


def test_partitioned_tables_are_read_right(place: Place) -> None:
    location = place("parts")()
    data = pa.table({"id": [1, 2, 3], "city": ["a b", None, "ü/%"], "n": [1, 1, 2]})
    write_deltalake(
        location.uri, data, partition_by=["city", "n"], storage_options=delta_options(location)
    )

    assert rows(lambda: location) == sorted(data.to_pylist(), key=repr)
    assert rows(lambda: location, "city = 'a b' and n = 1", columns=["id"]) == [{"id": 1}]


def test_maps_are_read_right(place: Place) -> None:
    maps = place("maps")
    values = pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64()))
    push_table(maps, pa.table({"id": [1, 2, 3], "m": values}), by=BY)

    assert [row["m"] for row in rows(maps)] == [[("k", 1)], None, []]


def test_deleted_rows_stay_deleted(place: Place) -> None:
    from klarity_storage.tables.describe import describe_table

    kept = place("kept")
    push_table(kept, {"id": range(1000)}, by=BY)
    delete_by_vector(kept(), list(range(10)))

    assert scan(kept()).count() == 990
    assert rows(kept, "id < 12") == [{"id": 10}, {"id": 11}]
    assert describe_table(kept()).rows == 990
    assert scan(kept(), version=0).count() == 1000


def test_a_table_that_may_have_deletion_vectors_but_has_none_is_read_directly(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = place("kept")
    push_table(kept, {"id": range(1000)}, by=BY)
    delete_by_vector(kept(), list(range(10)))
    location = kept()
    DeltaTable(location.uri, storage_options=delta_options(location)).delete("id < 500")
    read: list[list[str]] = []

    def spy(context: SessionContext, urls: list[str], schema: pa.Schema) -> Any:
        read.append(urls)
        return scan_files(context, urls, schema)

    monkeypatch.setattr(files_module, "scan_files", spy)

    assert scan(kept()).count() == 500
    assert len(read) == 1


def test_column_mapping_is_left_to_delta_rs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1]}, by=BY)
    schema = pa.schema([("id", pa.int64())])
    table = DeltaTable(runs().uri, storage_options=delta_options(runs()))
    assert is_plain(table, schema)

    metadata = table.metadata()
    mapped = type("Mapped", (), {"configuration": {"delta.columnMapping.mode": "name"}})
    mapped.partition_columns = []  # type: ignore[attr-defined]
    monkeypatch.setattr(table, "metadata", lambda: mapped)

    assert metadata.configuration == {}
    assert not is_plain(table, schema)


def test_another_form_of_plan_leads_to_the_same_rows(
    runs: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, schema = rows(runs), scan(runs()).schema()

    def unknown(*_: Any) -> None:
        raise UnknownPlanError

    monkeypatch.setattr(files_module, "scan_files", unknown)

    assert rows(runs) == expected
    assert scan(runs()).schema() == schema
    assert rows(runs, "id = 3", columns=["id"]) == [{"id": 3}]


def test_nan_is_neither_lost_nor_invented(place: Place) -> None:
    """Parquet's minima and maxima leave NaN out, and readers take them for the truth."""
    measured = place("measured")
    for value in (1.0, 500.0):
        push_table(
            measured,
            {"v": [value, NAN], "a.b": [value, NAN], "s": [{"x": value}, {"x": NAN}], "i": [1, 2]},
            by=BY,
        )

    assert [row["v"] for row in rows(measured, columns=["v", "i"])] == pytest.approx(
        [1.0, 500.0, NAN, NAN], nan_ok=True
    )
    for condition in ("v > 100", '"a.b" > 100', "s['x'] > 100", "v <> 1"):
        assert len(rows(measured, condition)) == 3, condition
    assert len(rows(measured, "v = 1")) == 1
    unprepared = SessionContext()
    assert len(rows(measured, "v > 100", context=unprepared)) == 3


def test_a_foreign_column_of_one_number_and_nan_is_not_read_as_that_number(place: Place) -> None:
    location = place("foreign")()
    write_deltalake(
        location.uri, pa.table({"v": [1.0, NAN]}), storage_options=delta_options(location)
    )

    for context in (None, SessionContext(), new_context()):
        values = pa.table(scan(location, context=context))["v"].to_pylist()
        assert sorted(values, key=str) == pytest.approx([1.0, NAN], nan_ok=True)


def test_temporary_keys_read_their_table_and_never_mix(
    on_s3: Place, keys_for: Callable[..., S3Credentials]
) -> None:
    context = new_context()
    tables = {}
    for number, table in enumerate(("mine", "yours")):
        push_table(on_s3(table), {"id": [number]}, by=BY)
        keys = keys_for(on_s3(table)().name, write=False)
        tables[table] = on_s3(table, keys)
    mine, yours = scan(tables["mine"](), context=context), scan(tables["yours"](), context=context)

    assert mine.to_pydict() == {"id": [0]}
    assert yours.to_pydict() == {"id": [1]}
    assert mine.union(yours).count() == 2
    with pytest.raises(TableNotFoundError):
        scan(on_s3("mine", tables["yours"]().s3)(), context=context)
    assert mine.to_pydict() == {"id": [0]}


def test_only_what_is_asked_for_is_fetched(on_s3: Place, proxy: CountingProxy) -> None:
    count = 2_000_000
    noise = np.random.default_rng(1)
    push_table(
        on_s3("big"),
        {"id": np.arange(count), "noise": noise.integers(0, 1 << 62, count)},
        by=BY,
    )
    keys = on_s3("big")().s3
    assert keys is not None
    counted = on_s3("big", msgspec.structs.replace(keys, endpoint=proxy.endpoint))
    fetched = {}
    for what, frame in {
        "all": scan(counted()),
        "rows": scan(counted()).filter(col("id") == 1_234_567),
        "column": scan(counted(), columns=["id"]),
        "none": scan(counted(), f"id = {count}"),
    }.items():
        before = proxy.received
        frame.collect()
        fetched[what] = proxy.received - before

    assert fetched["all"] > 15_000_000
    assert fetched["rows"] < fetched["all"] / 4
    assert fetched["column"] < fetched["all"] / 2
    assert fetched["none"] < 1_000
