from __future__ import annotations

from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.history import read_history
from klarity_storage.tables.push import push_table
from tables.changes import BY, NAN, SIGNED, column
from tables.conftest import Place


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
