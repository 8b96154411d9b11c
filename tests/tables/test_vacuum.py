from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from klarity_storage.errors import InvalidInputError
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.push import push_table
from klarity_storage.tables.restore import restore_table
from klarity_storage.tables.scan import scan
from klarity_storage.tables.vacuum import vacuum_table
from tables.changes import BY, SIGNED, column, small_files, uris
from tables.conftest import Place


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
