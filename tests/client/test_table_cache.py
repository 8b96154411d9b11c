"""Tables on this disk, through a real server, with the keys of the real engine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import klarity_storage as ks
from klarity_storage.client import table_places
from server_fixture import RunningServer, start_server

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no test changes the ``.safenai`` of another."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(table_places, "_said", set())
    return folder


@pytest.fixture
def runs(here: Path, owned: ks.Storage, space: str) -> str:
    table = f"{space}/tables/runs"
    owned.push_data_frame(table, {"id": [1, 2, 3], "x": [0.5, 0.5, 0.5]}, message="first")
    return table


@pytest.fixture
def reader(server: RunningServer, runs: str) -> Iterator[ks.Storage]:
    """In the folder of the project, as somebody who may only read."""
    with server.user(("reader", runs)) as storage:
        yield storage


@pytest.fixture
def other(server: RunningServer, runs: str, tmp_path: Path, here: Path) -> Iterator[ks.Storage]:
    """A writer in another folder, for whom nothing is cached."""
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    with server.user(("writer", runs)) as storage:
        os.chdir(here)
        yield storage


def ids(storage: ks.Storage, table: str, **how: Any) -> list[int]:
    return sorted(pa.table(storage.get_data_frame(table, **how))["id"].to_pylist())


def rows(*numbers: int) -> dict[str, list[Any]]:
    return {"id": list(numbers), "x": [0.5] * len(numbers)}


def objects(storage: ks.Storage, table: str) -> list[tuple[str, int, str | None]]:
    """Every object of a table as it stands in the engine."""
    store = storage.credentials(table).obstore()
    found = (item for page in obstore.list(store, f"{table}/") for item in page)
    return sorted((item["path"], item["size"], item["e_tag"]) for item in found)


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


def test_nothing_is_written_before_promotion(
    server: RunningServer, reader: ks.Storage, other: ks.Storage, runs: str
) -> None:
    before = objects(reader, runs)
    began = reader.cache_table(runs, "sandbox")
    assert (began.version, began.commits, began.fetched_files) == (0, 0, 1)

    reader.push_data_frame(runs, rows(3, 4), mode="merge", keys=["id"])
    reader.push_data_frame(runs, rows(5))
    reader.delete_rows(runs, "id = 1")
    reader.set_comments(runs, {"x": "of the test split"})
    assert ids(reader, runs) == [2, 3, 4, 5]
    assert ids(reader, runs, version=0) == [1, 2, 3]
    assert reader.get_table_history(runs)[1].operation == "DELETE"
    told = reader.diff_table(runs, keys=["id"]).summary()
    assert (told.added, told.removed, told.changed) == (2, 1, 0)
    with pytest.raises(ks.ForbiddenError):
        reader.promote_table(runs)
    assert objects(reader, runs) == before
    assert ids(other, runs) == [1, 2, 3]

    with server.user(("writer", runs)) as writer, pytest.raises(ks.ForbiddenError):
        writer.promote_table(runs)  # rows were deleted, which takes an owner
    assert objects(reader, runs) == before
    with server.user(("owner", runs)) as owner:
        assert owner.promote_table(runs, message="tried").info.version == 1
    assert ids(other, runs) == [2, 3, 4, 5]
    newest = other.get_table_history(runs, limit=1)[0]
    assert (newest.message, newest.operation) == ("tried", "PROMOTE")
    (cached,) = reader.get_cached_tables()
    assert (cached.mode, cached.version, cached.commits) == ("sandbox", 1, 0)


def test_a_writer_promotes_appends_and_conflicts_are_told(
    server: RunningServer, other: ks.Storage, runs: str
) -> None:
    with server.user(("writer", runs)) as writer:
        writer.cache_table(runs, "sandbox")
        writer.push_data_frame(runs, rows(4))
        other.push_data_frame(runs, rows(5))
        writer.promote_table(runs)
        assert ids(writer, runs) == ids(other, runs) == [1, 2, 3, 4, 5]

        writer.push_data_frame(runs, rows(1), mode="merge", keys=["id"])
        other.push_data_frame(runs, rows(2, 6), mode="merge", keys=["id"])
        with pytest.raises(ks.ConflictError, match="rows were changed by user:"):
            writer.promote_table(runs)
        with pytest.raises(ks.ConflictError, match="not promoted"):
            writer.uncache_table(runs)
        assert writer.discard_table(runs).version == 3
        assert ids(writer, runs) == [1, 2, 3, 4, 5, 6]
        writer.uncache_table(runs)
    assert not Path(".safenai").read_text().strip()


def test_a_writer_promotes_what_a_writer_may_do(
    server: RunningServer, other: ks.Storage, runs: str
) -> None:
    with server.user(("writer", runs)) as writer:
        writer.cache_table(runs, "sandbox")
        writer.set_comments(runs, {"id": "of the run"})
        told = writer.promote_table(runs).info
        assert (told.columns[0].comment, told.version) == ("of the run", 1)

        writer.push_data_frame(runs, rows(4))
        writer.promote_table(runs)
        assert writer.optimize(runs).files_removed == 2
        assert writer.promote_table(runs, message="one file").info.files == 1
        assert ids(other, runs) == [1, 2, 3, 4]
        assert other.get_table_history(runs)[0].message == "one file"

        writer.optimize(runs, z_order=["id"])
        writer.push_data_frame(runs, rows(5), mode="overwrite", where="id > 3")
        with pytest.raises(ks.ForbiddenError):
            writer.promote_table(runs)  # rows were overwritten, which takes an owner
        writer.discard_table(runs)


def test_another_process_follows_at_once(
    server: RunningServer, reader: ks.Storage, runs: str
) -> None:
    script = (
        "import sys, klarity_storage as ks\n"
        "with ks.connect() as storage:\n"
        "    for line in sys.stdin:\n"
        f"        print(storage.get_data_frame({runs!r}).count(), flush=True)\n"
    )
    environment = os.environ | {"KS_URL": server.address, "KS_TOKEN": server.token}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None

        def count() -> int:
            assert process.stdout is not None
            print(file=process.stdin, flush=True)
            return int(process.stdout.readline())

        assert count() == 3
        reader.cache_table(runs, "sandbox")
        reader.push_data_frame(runs, rows(4))
        assert count() == 4
        reader.discard_table(runs)
        assert count() == 3
        process.stdin.close()
        process.wait(30)


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


def test_a_redirected_table_is_read_from_its_file(
    owned: ks.Storage, runs: str, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "klarity_storage")
    fixture = here / "fixture.parquet"
    pl.DataFrame({"id": [7, 8]}).write_parquet(fixture)
    (here / ".safenai").write_text(
        f'[storage.cache."{runs}"]\nmode = "redirect"\npath = "fixture.parquet"\n'
    )
    assert ids(owned, runs) == [7, 8]
    assert owned.get_data_table(runs).info.rows == 2
    assert [record.message for record in caplog.records] == [
        f"{runs} is read from {fixture} ({here / '.safenai'})."
    ]
    for write in (
        lambda: owned.push_data_frame(runs, rows(9)),
        lambda: owned.delete_rows(runs, "true"),
        lambda: owned.set_comments(runs, {"id": "a number"}),
        lambda: owned.drop_table(runs, dry_run=False),
    ):
        with pytest.raises(ks.InvalidInputError, match="redirected"):
            write()
    for binaries in (
        lambda: owned.push_raw_binary(runs, 1, [("a.txt", b"a")]),
        lambda: owned.delete_raw_binary(runs, 1),
    ):
        with pytest.raises(ks.InvalidInputError, match="binaries have no other place"):
            binaries()
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.cache_table(runs)

    (here / "fixture.csv").write_text("id,x\n1,0.5\n")
    told = (here / ".safenai").read_text()
    (here / ".safenai").write_text(told.replace("parquet", "csv"))
    assert ids(owned, runs) == [1]
    (here / "fixture.csv").write_text("id,x\n1,0.5\n2,0.5\n")
    assert ids(owned, runs) == [1, 2]
    (here / "fixture.csv").unlink()
    with pytest.raises(ks.ConfigurationError, match="not there"):
        owned.get_data_frame(runs)
    (here / ".safenai").unlink()
    assert ids(owned, runs) == [1, 2, 3]


def test_a_redirected_table_is_read_from_a_delta_folder(
    owned: ks.Storage, runs: str, here: Path
) -> None:
    """As it is whenever it is asked, with its versions; and nothing is written into it."""
    write_deltalake("fixture", pa.table({"id": [7], "p": ["a"]}), partition_by=["p"])
    (here / ".safenai").write_text(
        f'[storage.cache."{runs}"]\nmode = "redirect"\npath = "fixture"\n'
    )
    assert ids(owned, runs) == [7]
    write_deltalake("fixture", pa.table({"id": [8], "p": ["b"]}), mode="append")

    assert ids(owned, runs) == [7, 8]
    assert ids(owned, runs, version=0) == [7]
    assert owned.get_data_table(runs).info.partitions == ["p"]
    space, _, name = runs.split("/")
    assert owned.sql(f"select p from {space}.{name} where id = 8").to_pydict() == {"p": ["b"]}
    (cached,) = owned.get_cached_tables()
    assert (cached.mode, cached.folder) == ("redirect", str(here / "fixture"))
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.push_data_frame(runs, rows(9))
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.optimize(runs)
    assert sorted(file.name for file in (here / "fixture").iterdir()) == [
        "_delta_log",
        "p=a",
        "p=b",
    ]

    (here / "fixture").rename(here / "gone")
    with pytest.raises(ks.ConfigurationError, match="not there"):
        owned.get_data_frame(runs)
    (here / "fixture").mkdir()
    with pytest.raises(ks.TableNotFoundError):
        owned.get_data_frame(runs)


def test_without_the_server_what_is_here_is_read_and_written(
    tmp_path: Path, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process, address, token = start_server(tmp_path / "data")
    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
            for name in ("runs", "notes", "other"):
                storage.push_data_frame(f"vision/tables/{name}", rows(1, 2))
            storage.push_data_frame("vision/tables/runs", rows(3))
            storage.cache_table("vision/tables/runs")
            storage.cache_table("vision/tables/notes", "sandbox")
    finally:
        process.terminate()
        process.wait(30)

    with ks.connect(address, token=token) as storage:
        assert storage.offline
        assert "offline" in storage.source
        assert "does not answer" in caplog.text
        assert ids(storage, "vision/tables/runs") == [1, 2, 3]
        assert storage.sql("select count(*) as n from vision.notes").to_pydict() == {"n": [2]}
        storage.push_data_frame("vision/tables/notes", rows(5))
        assert ids(storage, "vision/tables/notes") == [1, 2, 5]
        assert storage.diff_table("vision/tables/notes").summary().added == 1
        assert {table.name for table in storage.get_cached_tables()} == {"runs", "notes"}
        with pytest.raises(ks.UnavailableError, match="is not version 0"):
            storage.get_data_frame("vision/tables/runs", version=0)
        for call in (
            lambda: storage.get_data_frame("vision/tables/other"),
            lambda: storage.push_data_frame("vision/tables/runs", rows(6)),
            lambda: storage.promote_table("vision/tables/notes"),
            lambda: storage.cache_table("vision/tables/runs"),
            storage.get_spaces,
            storage.whoami,
        ):
            with pytest.raises(ks.UnavailableError):
                call()
        assert storage.discard_table("vision/tables/notes").version == 0
        assert ids(storage, "vision/tables/notes") == [1, 2]
    (here / ".safenai").unlink()
    with pytest.raises(ks.UnavailableError):
        ks.connect(address, token=token)
