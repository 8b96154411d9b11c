from __future__ import annotations

import pyarrow as pa
import pytest

from klarity_storage.errors import InvalidQueryError
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.scan import scan
from tables.changes import SIGNED, small_files
from tables.conftest import Place


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
