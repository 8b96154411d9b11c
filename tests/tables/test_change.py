"""Overwriting by condition, partitions, evolution, deletion, restoring, optimizing, vacuuming."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from klarity_storage.errors import (
    InvalidDataError,
    InvalidInputError,
    InvalidQueryError,
    InvalidReferenceError,
    SchemaMismatchError,
    TableNotFoundError,
    VersionNotFoundError,
)
from klarity_storage.tables.commit import Signature
from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.drop import drop_table
from klarity_storage.tables.history import read_history
from klarity_storage.tables.location import Locate
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.push import push_table
from klarity_storage.tables.restore import restore_table
from klarity_storage.tables.scan import scan
from klarity_storage.tables.vacuum import vacuum_table
from tables.conftest import Place

NAN = float("nan")
BY = "user:alice"
SIGNED = Signature(BY, "because", ("vision/datasets/cats@abc",))


def column(locate: Locate, name: str = "id") -> list[Any]:
    table = pa.table(scan(locate()))
    return table.sort_by(table.column_names[0])[name].to_pylist()  # type: ignore[no-any-return]


def test_an_overwrite_replaces_what_matches_and_takes_nothing_else(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1, 2, 3, None], "x": [NAN, 1.0, 2.0, 3.0]}, by=BY)

    push_table(runs, {"id": [8, 9], "x": [0.0, NAN]}, by=BY, mode="overwrite", where="id >= 2")
    assert set(column(runs)) == {1, 8, 9, None}
    for strangers in ([1, 7], [None]):
        with pytest.raises(InvalidDataError, match="do not match"):
            push_table(
                runs, {"id": pa.array(strangers, pa.int64()), "x": [1.0] * len(strangers)},
                by=BY, mode="overwrite", where="id >= 2",
            )  # fmt: skip

    assert describe_table(runs()).version == 1
    with pytest.raises(InvalidInputError, match="takes no where"):
        push_table(runs, {"id": [1]}, by=BY, where="id > 1")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("idd = 1", r"no column 'idd' in the condition 'idd = 1' \(did you mean 'id'"),
        ("", "condition is empty"),
        ("id + 1", "refuses the condition"),
        ("id =", "refuses the condition"),
        ("id in (select 1)", "Delta refuses the condition"),
    ],
)
def test_a_condition_that_is_none_is_refused(on_disk: Place, where: str, told: str) -> None:
    runs = on_disk("runs")
    push_table(runs, {"id": [1]}, by=BY)

    with pytest.raises(InvalidQueryError, match=told):
        delete_rows(runs, where, SIGNED)
    with pytest.raises(InvalidQueryError, match=told):
        push_table(runs, {"id": [1]}, by=BY, mode="overwrite", where=where)

    assert column(runs) == [1]


PARTITIONS: list[list[Any]] = [
    ["a/b", "é%20 ", "x=y", None],
    [1, None, -5],
    [True, False, None],
    [dt.date(2026, 1, 1), dt.date(9999, 12, 31), None],
    [decimal.Decimal("1.10"), None],
    [dt.datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=dt.UTC), None],
]


@pytest.mark.parametrize("values", PARTITIONS, ids=lambda values: type(values[0]).__name__)
def test_partitions_hold_their_values_exactly(place: Place, values: list[Any]) -> None:
    runs = place("runs")
    ids = list(range(len(values)))

    push_table(runs, {"id": ids, "part": values}, by=BY, partition_by=["part"])
    push_table(runs, {"id": [9], "part": values[:1]}, by=BY)

    assert column(runs, "part") == [*values, values[0]]
    assert describe_table(runs()).partitions == ["part"]
    files = {Path(uri).parent.name for uri in uris(runs)}
    assert len(files) == len(values)


def uris(locate: Locate) -> list[str]:
    from klarity_storage.tables.snapshot import open_snapshot

    return open_snapshot(locate()).file_uris()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ([1.5], "partitioned by 'part', a double"),
        ([b"a"], "partitioned by 'part', a binary"),
        ([[1]], "partitioned by 'part', a list"),
        ([""], "empty text, which is no partition"),
        (["x" * 300], "too long for a partition"),
        ([decimal.Decimal("-0.69")], "holds -0.69, which is no partition"),
    ],
)
def test_partitions_that_would_not_come_back_are_refused(
    on_disk: Place, part: list[Any], told: str
) -> None:
    with pytest.raises(InvalidDataError, match=told):
        push_table(on_disk("runs"), {"id": [1], "part": part}, by=BY, partition_by=["part"])
    with pytest.raises(TableNotFoundError):
        describe_table(on_disk("runs")())


def test_partitioned_tables_are_changed_as_others_are(place: Place) -> None:
    runs = place("runs")
    days = ["mon", "mon", "tue", None]
    push_table(runs, {"id": [1, 2, 3, 4], "day": days}, by=BY, partition_by=["day"])

    push_table(
        runs, {"id": [2, 5], "day": ["wed", "tue"]}, by=BY, mode="merge", keys=["id"], message="m"
    )
    assert column(runs, "day") == ["mon", "wed", "tue", None, "tue"]
    push_table(runs, {"id": [6], "day": ["tue"]}, by=BY, mode="overwrite", where="day = 'tue'")
    assert column(runs) == [1, 2, 4, 6]
    with pytest.raises(InvalidDataError, match="empty text"):
        push_table(runs, {"id": [7], "day": [""]}, by=BY, mode="merge", keys=["id"])
    assert delete_rows(runs, "day is null", SIGNED).rows in (1, None)
    assert delete_rows(runs, "day = 'mon' and id = 1", SIGNED).rows == 1
    push_table(runs, {"id": [8], "day": ["wed"]}, by=BY)

    assert optimize_table(runs, [], SIGNED).files_removed == 2
    with pytest.raises(InvalidQueryError, match="partitioned by 'day'"):
        optimize_table(runs, ["day"], SIGNED)
    assert column(runs) == [2, 6, 8]
    assert column(runs, "day") == ["wed", "tue", "wed"]


def test_a_table_stays_partitioned_as_it_is(on_disk: Place) -> None:
    runs = on_disk("runs")
    push_table(runs, {"id": [1], "a": [1], "b": [1]}, by=BY, partition_by=["a"])

    push_table(runs, {"id": [2], "a": [2], "b": [1]}, by=BY, partition_by=["a"])
    with pytest.raises(SchemaMismatchError, match="partitioned by 'a', not by 'b'"):
        push_table(runs, {"id": [3], "a": [2], "b": [1]}, by=BY, partition_by=["b"])
    with pytest.raises(InvalidDataError, match="no column 'c' to partition by"):
        push_table(on_disk("other"), {"id": [1]}, by=BY, partition_by=["c"])
    with pytest.raises(InvalidDataError, match="not partitioned by"):
        push_table(on_disk("other"), {"id": [1]}, by=BY, partition_by=["id"])
    assert column(runs) == [1, 2]


def test_columns_come_when_asked_for_and_others_may_be_lacking(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1], "name": ["a"], "box": [{"x": 1}]}, by=BY)
    more = {"id": [2], "x": [NAN], "box": [{"x": 2, "y": "b"}]}

    with pytest.raises(SchemaMismatchError, match="no column 'x'") as refused:
        push_table(runs, more, by=BY)
    assert "evolve=True" in str(refused.value.hint)
    push_table(runs, more, by=BY, evolve=True)

    first, second = pa.table(scan(runs())).sort_by("id").to_pylist()
    assert first == {"id": 1, "name": "a", "x": None, "box": {"x": 1, "y": None}}
    assert (second["name"], second["box"]) == (None, {"x": 2, "y": "b"})
    with pytest.raises(InvalidDataError, match="differ in case only"):
        push_table(runs, {"id": [3], "NAME": ["a"]}, by=BY, evolve=True)
    with pytest.raises(InvalidDataError, match="'z' holds nothing but nulls"):
        push_table(runs, {"id": [3], "z": [None]}, by=BY, evolve=True)


def test_a_column_keeps_its_type_until_all_of_it_is_overwritten(place: Place) -> None:
    runs = place("runs")
    push_table(runs, pa.table({"id": pa.array([1], pa.int32())}), by=BY)

    with pytest.raises(SchemaMismatchError, match="int32 in the table") as refused:
        push_table(runs, {"id": [2**40]}, by=BY, evolve=True)
    assert "overwrite" in str(refused.value.hint)
    push_table(runs, {"id": [2**62], "y": ["a"]}, by=BY, mode="overwrite", evolve=True)

    assert column(runs) == [2**62]
    assert column(runs, "y") == ["a"]


def test_text_files_take_the_types_of_the_table(on_disk: Place, tmp_path: Path) -> None:
    runs, file = on_disk("runs"), tmp_path / "a.csv"
    file.write_text("zip,score\n00123,0.5\n")
    push_table(runs, file, by=BY, types={"zip": "string"})

    file.write_text("zip,score\n00456,7\n")
    push_table(runs, file, by=BY)
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"zip": "2026-01-01", "score": 1}\n')
    push_table(runs, lines, by=BY)
    file.write_text("zip,score\n00456,many\n")
    with pytest.raises(InvalidDataError, match=r"'score' of .* not of its type.*row 2"):
        push_table(runs, file, by=BY)

    assert column(runs, "zip") == ["00123", "00456", "2026-01-01"]
    assert column(runs, "score") == [0.5, 7.0, 1.0]


def small_files(locate: Locate, number: int = 4) -> None:
    for each in range(number):
        push_table(locate, {"id": [each, each + 10], "x": [NAN, 1.0], "l": [[NAN], [2.0]]}, by=BY)


OPERATIONS: dict[str, Callable[[Locate], object]] = {
    "delete": lambda locate: delete_rows(locate, "id = 0", SIGNED),
    "merge": lambda locate: push_table(
        locate, {"id": [0], "x": [5.0], "l": [[NAN]]}, by=BY, mode="merge", keys=["id"]
    ),
    "overwrite": lambda locate: push_table(
        locate, {"id": [0], "x": [NAN], "l": [[1.0]]}, by=BY, mode="overwrite", where="id = 0"
    ),
    "evolve": lambda locate: push_table(locate, {"id": [99], "z": [NAN]}, by=BY, evolve=True),
    "optimize": lambda locate: optimize_table(locate, [], SIGNED),
    "z-order": lambda locate: optimize_table(locate, ["id"], SIGNED),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_writes_statistics_of_floats_or_asks_more_of_readers(
    on_disk: Place, operation: str
) -> None:
    runs = on_disk("runs")
    small_files(runs)
    before = set(DeltaTable(runs().uri).file_uris())

    OPERATIONS[operation](runs)

    table = DeltaTable(runs().uri)
    new = set(table.file_uris()) - before
    assert new
    for uri in new:
        group = pa.parquet.ParquetFile(uri.removeprefix("file://")).metadata.row_group(0)
        for number in range(group.num_columns):
            chunk = group.column(number)
            assert chunk.is_stats_set == (chunk.path_in_schema == "id"), chunk.path_in_schema
            assert chunk.compression == "ZSTD"
    protocol = table.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    assert not protocol.reader_features
    assert not any("deletionVectors" in key for key in table.metadata().configuration)


def test_rows_are_deleted_by_a_condition_and_nothing_is_committed_for_none(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1, 2, None], "x": [NAN, 1.0, 2.0]}, by=BY)

    assert delete_rows(runs, "id > 100", SIGNED) == type(delete_rows(runs, "id = 7", SIGNED))(0, 0)
    assert delete_rows(runs, "id <> 1", SIGNED).rows == 1
    assert set(column(runs)) == {1, None}
    assert delete_rows(runs, "x > 1.5", SIGNED).rows == 2  # NaN is above every number

    assert column(runs) == []
    entry = read_history(runs(), 1)[0]
    assert (entry.operation, entry.author, entry.message) == ("DELETE", BY, "because")
    assert entry.lineage == ["vision/datasets/cats@abc"]


def test_a_table_is_restored_by_version_or_time(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1]}, by=BY)
    first = read_history(runs())[0].time
    time.sleep(0.01)
    push_table(runs, {"id": [2], "y": ["a"]}, by=BY, evolve=True)

    assert restore_table(runs, None, first, SIGNED).version == 2
    assert pa.table(scan(runs())).to_pydict() == {"id": [1]}
    assert restore_table(runs, 1, None, SIGNED).rows == 2
    assert restore_table(runs, 3, None, SIGNED).version == 3  # it is that already

    with pytest.raises(VersionNotFoundError, match="no version 9"):
        restore_table(runs, 9, None, SIGNED)
    with pytest.raises(InvalidReferenceError, match="a version or a timestamp"):
        restore_table(runs, None, None, SIGNED)


def test_small_files_become_one_and_rows_stay(place: Place) -> None:
    runs = place("runs")
    small_files(runs)
    before = pa.table(scan(runs())).sort_by("id").to_pylist()

    done = optimize_table(runs, [], SIGNED)
    assert (done.files_removed, done.files_added) == (4, 1)
    assert optimize_table(runs, [], SIGNED).version == done.version
    optimize_table(runs, ["id"], SIGNED)

    assert repr(pa.table(scan(runs())).sort_by("id").to_pylist()) == repr(before)
    with pytest.raises(InvalidQueryError, match="no column 'idd'"):
        optimize_table(runs, ["idd"], SIGNED)


def test_a_vacuum_leaves_what_a_running_write_has_uploaded(on_disk: Place) -> None:
    runs = on_disk("runs")
    small_files(runs)
    optimize_table(runs, [], SIGNED)
    table = Path(runs().uri)
    fresh, old = table / "part-fresh.parquet", table / "part-old.parquet"
    fresh.write_bytes(b"x")
    old.write_bytes(b"xy")
    month = time.time() - 30 * 86_400
    for file in (old, *(Path(uri.removeprefix("file://")) for uri in uris(runs))):
        os.utime(file, (month, month))

    listed = vacuum_table(runs, None, SIGNED)
    assert [(item.path, item.size) for item in listed.items] == [("part-old.parquet", 2)]
    assert old.exists()
    assert vacuum_table(runs, timedelta(days=8), SIGNED, dry_run=False).files == 1

    assert fresh.exists()
    assert not old.exists()
    assert pa.table(scan(runs())).num_rows == 8
    assert restore_table(runs, 0, None, SIGNED).rows == 2
    with pytest.raises(InvalidInputError, match="168 hours at least"):
        vacuum_table(runs, timedelta(days=6), SIGNED)
    with pytest.raises(InvalidInputError, match="no time"):
        vacuum_table(runs, timedelta(days=-6), SIGNED, force=True)


def test_a_vacuum_knows_files_of_odd_partitions(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1], "p": ["é %/x=y"]}, by=BY, partition_by=["p"])
    push_table(runs, {"id": [2], "p": ["é %/x=y"]}, by=BY, mode="overwrite")

    listed = vacuum_table(runs, timedelta(0), SIGNED, force=True)
    assert listed.files == 1
    assert listed.bytes > 0
    assert vacuum_table(runs, timedelta(0), SIGNED, force=True, dry_run=False).files == 1
    assert column(runs) == [2]
    assert vacuum_table(runs, timedelta(0), SIGNED, force=True).files == 0


def test_history_tells_every_commit(place: Place) -> None:
    runs = place("runs")
    small_files(runs, 20)  # more than are read at once
    optimize_table(runs, [], SIGNED)

    newest, *others = read_history(runs())

    assert [entry.version for entry in others] == list(range(19, -1, -1))
    assert (newest.operation, newest.rows_added, newest.rows_removed) == ("OPTIMIZE", 40, None)
    assert (newest.files_added, newest.files_removed) == (1, 20)
    assert len(read_history(runs(), 18)) == 18
    with pytest.raises(InvalidInputError):
        read_history(runs(), 0)
    with pytest.raises(TableNotFoundError):
        read_history(place("none")())


def test_a_dropped_table_is_gone_and_its_neighbour_is_not(on_disk: Place) -> None:
    runs, other = on_disk("runs"), on_disk("runs2")
    for table in (runs, other):
        push_table(table, {"id": [1]}, by=BY)
    binaries = Path(runs().uri).parents[1] / "raw_binary" / "runs" / "1"
    binaries.mkdir(parents=True)
    (binaries / "scan.dcm").write_bytes(b"scan")

    assert drop_table(runs).objects == 3
    assert column(runs) == [1]
    assert drop_table(runs, dry_run=False).objects == 3

    assert not Path(runs().uri).exists()
    assert not binaries.parent.exists()
    assert column(other) == [1]
    with pytest.raises(TableNotFoundError):
        drop_table(runs)
