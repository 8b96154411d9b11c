from __future__ import annotations

from pathlib import Path

import pytest

from klarity_storage.errors import TableNotFoundError
from klarity_storage.tables.drop import drop_table
from klarity_storage.tables.push import push_table
from tables.changes import BY, column
from tables.conftest import Place


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
