"""Partitions hold their values, or are refused."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import pytest

from klarity_storage.errors import (
    InvalidDataError,
    InvalidQueryError,
    SchemaMismatchError,
    TableNotFoundError,
)
from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.push import push_table
from tables.changes import BY, SIGNED, column, uris
from tables.conftest import Place

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
