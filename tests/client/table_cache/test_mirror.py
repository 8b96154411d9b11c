"""A copy of a table on this disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import polars as pl
import pytest
from deltalake import DeltaTable

import klarity_storage as ks
from server_fixture import RunningServer
from table_cache_fixture import ids, rows

pytestmark = pytest.mark.real


def test_a_mirror_stays_until_it_is_refreshed(
    reader: ks.Storage, other: ks.Storage, runs: str
) -> None:
    first = reader.cache_table(runs)
    assert (first.version, first.fetched_files, first.files) == (0, 1, 1)
    other.push_data_frame(runs, rows(4))
    assert ids(reader, runs) == [1, 2, 3]
    assert ids(other, runs) == [1, 2, 3, 4]

    again = reader.cache_table(runs)
    assert (again.version, again.fetched_files, again.files) == (1, 1, 2)
    assert ids(reader, runs) == [1, 2, 3, 4]
    assert reader.cache_table(runs).fetched_files == 0
    space = runs.partition("/")[0]
    assert reader.sql(f"select count(*) as n from {space}.runs").to_pydict() == {"n": [4]}
    assert reader.get_data_table(runs).info.rows == 4


def test_what_a_mirror_lacks_is_the_servers(
    reader: ks.Storage, other: ks.Storage, runs: str
) -> None:
    before = datetime.now(UTC)
    other.push_data_frame(runs, rows(4))
    other.push_data_frame(runs, rows(5))
    pinned = reader.cache_table(runs, version=1)
    assert (pinned.version, pinned.pinned) == (1, True)
    other.push_data_frame(runs, rows(6))
    assert reader.cache_table(runs, version=1).fetched_files == 0

    assert ids(reader, runs) == [1, 2, 3, 4]
    assert ids(reader, runs, version=3) == [1, 2, 3, 4, 5, 6]
    assert ids(reader, runs, timestamp=before) == [1, 2, 3]
    with pytest.raises(ks.VersionNotFoundError):
        reader.get_data_frame(runs, version=9)
    assert len(reader.get_table_history(runs)) == 4


def test_writes_to_a_mirrored_table_go_to_the_reference(owned: ks.Storage, runs: str) -> None:
    owned.cache_table(runs)
    owned.push_data_frame(runs, rows(4))
    assert owned.get_table_history(runs, limit=1)[0].version == 1
    owned.cache_table(runs)
    with ks.connect(owned.location, token=_token(owned)) as again:
        assert ids(again, runs) == [1, 2, 3, 4]


def _token(storage: ks.Storage) -> str:
    token = storage.admin._http._token
    assert token is not None
    return token


def test_other_programs_read_a_mirror(reader: ks.Storage, runs: str) -> None:
    folder = reader.cache_table(runs).folder
    assert pl.scan_delta(folder).collect()["id"].sort().to_list() == [1, 2, 3]
    assert DeltaTable(folder).to_pyarrow_table().num_rows == 3


def test_a_table_made_anew_is_not_mixed_with_the_old_one(owned: ks.Storage, runs: str) -> None:
    owned.push_data_frame(runs, rows(4))
    owned.cache_table(runs)
    owned.drop_table(runs, dry_run=False)
    owned.push_data_frame(runs, rows(9))
    assert owned.cache_table(runs).version == 0
    assert ids(owned, runs) == [9]


def test_a_killed_refresh_leaves_the_old_mirror(
    server: RunningServer, reader: ks.Storage, other: ks.Storage, runs: str
) -> None:
    reader.cache_table(runs)
    other.push_data_frame(runs, rows(4))
    script = (
        "import os, signal, klarity_storage as ks\n"
        "from klarity_storage.tables import mirror\n"
        "whole = mirror.fetch\n"
        "def fetch(store, path, target, size=None):\n"
        "    whole(store, path, target, size)\n"
        "    if path.endswith('.parquet'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "mirror.fetch = fetch\n"
        f"ks.connect().cache_table({runs!r})\n"
    )
    environment = os.environ | {"KS_URL": server.address, "KS_TOKEN": server.token}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL

    assert ids(reader, runs) == [1, 2, 3]
    assert reader.cache_table(runs).version == 1
    assert ids(reader, runs) == [1, 2, 3, 4]
