from __future__ import annotations

import pytest

from klarity_storage.errors import (
    InvalidInputError,
    TableNotFoundError,
)
from klarity_storage.tables.history import read_history
from klarity_storage.tables.optimize import optimize_table
from tables.changes import SIGNED, small_files
from tables.conftest import Place


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
