"""Rows that replace others by a condition."""

from __future__ import annotations

import pyarrow as pa
import pytest

from klarity_storage.errors import (
    InvalidDataError,
    InvalidInputError,
    InvalidQueryError,
)
from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.push import push_table
from tables.changes import BY, NAN, SIGNED, column
from tables.conftest import Place


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
