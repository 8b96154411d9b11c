"""Who may do what to a table, through a real server, with the keys of the real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

import klarity_storage as ks
from conftest import PlantTree
from server_fixture import RunningServer

pytestmark = pytest.mark.real


@pytest.fixture
def runs(owned: ks.Storage, space: str) -> str:
    table = f"{space}/tables/runs"
    owned.push_data_frame(table, {"id": [1, 2, 3], "split": ["a", "b", "b"]}, message="first")
    return table


@pytest.fixture
def writer(server: RunningServer, runs: str) -> Iterator[ks.Storage]:
    with server.user(("writer", runs)) as storage:
        yield storage


def ids(storage: ks.Storage, table: str) -> list[int]:
    found: list[int] = sorted(pa.table(storage.get_data_frame(table))["id"].to_pylist())
    return found


def audit(server: RunningServer, target: str) -> list[tuple[str, str, bool]]:
    """What was asked for of a target, by which action, and whether it was allowed."""
    lines = [
        json.loads(line)
        for file in sorted((server.data / "audit").iterdir())
        for line in file.read_text().splitlines()
    ]
    return [
        (line["about"].split(" ")[0], line["action"], line["allowed"])
        for line in lines
        if line["target"] == target and line["operation"] == "issue_credentials"
    ]


def test_a_writer_appends_merges_and_optimizes(
    server: RunningServer, writer: ks.Storage, runs: str
) -> None:
    writer.push_data_frame(runs, {"id": [4], "split": ["c"]})
    writer.push_data_frame(runs, {"id": [4, 5], "split": ["d", "d"]}, mode="merge", keys=["id"])
    assert writer.optimize(runs).files_removed > 1

    assert ids(writer, runs) == [1, 2, 3, 4, 5]
    assert {entry.author for entry in writer.get_table_history(runs, limit=3)} == {
        writer.whoami().principal
    }
    assert ("write", "write", True) in audit(server, runs)


def test_a_writer_takes_nothing_away(server: RunningServer, writer: ks.Storage, runs: str) -> None:
    for attempt in (
        lambda: writer.push_data_frame(runs, {"id": [9], "split": ["z"]}, mode="overwrite"),
        lambda: writer.push_data_frame(
            runs, {"id": [9], "split": ["z"]}, mode="overwrite", where="id = 9"
        ),
        lambda: writer.delete_rows(runs, "true"),
        lambda: writer.restore(runs, version=0),
        lambda: writer.vacuum(runs),
        lambda: writer.drop_table(runs),
    ):
        with pytest.raises(ks.ForbiddenError, match="it takes owner"):
            attempt()

    assert ids(writer, runs) == [1, 2, 3]
    refused = {(what, action) for what, action, allowed in audit(server, runs) if not allowed}
    assert refused == {("overwrite", "own"), ("vacuum", "own"), ("drop", "own")}


def test_a_reader_writes_nothing_and_a_stranger_sees_nothing(
    server: RunningServer, runs: str
) -> None:
    with server.user(("reader", runs)) as reader:
        assert len(reader.get_table_history(runs)) == 1
        with pytest.raises(ks.ForbiddenError):
            reader.optimize(runs)
    with server.user() as stranger:
        for attempt in (stranger.get_table_history, stranger.drop_table, stranger.vacuum):
            with pytest.raises(ks.NotFoundError):
                attempt(runs)


def test_an_owner_deletes_restores_and_vacuums(owned: ks.Storage, runs: str) -> None:
    gone = owned.delete_rows(runs, "id >= 2", message="broken")
    assert (gone.rows, gone.version) == (2, 1)
    assert ids(owned, runs) == [1]
    assert owned.restore(runs, version=0, message="not broken").info.version == 2
    assert ids(owned, runs) == [1, 2, 3]

    with pytest.raises(ks.InvalidInputError, match="168 hours at least, not 1"):
        owned.vacuum(runs, keep=timedelta(hours=1))
    assert owned.vacuum(runs).files == 0
    listed = owned.vacuum(runs, keep=timedelta(0), force=True)
    assert (listed.dry_run, listed.files) == (True, 1)
    assert listed.bytes > 0
    done = owned.vacuum(runs, keep=timedelta(0), force=True, dry_run=False)
    assert (done.files, done.bytes) == (1, listed.bytes)

    assert ids(owned, runs) == [1, 2, 3]
    with pytest.raises(ks.VersionNotFoundError, match="were vacuumed"):
        owned.restore(runs, version=1)
    assert [entry.operation for entry in owned.get_table_history(runs)] == [
        "VACUUM END", "VACUUM START", "RESTORE", "DELETE", "WRITE",
    ]  # fmt: skip


def test_keys_to_vacuum_delete_no_history_and_no_neighbour(
    owned: ks.Storage, runs: str, space: str
) -> None:
    from obstore.exceptions import GenericError
    from obstore.store import S3Store

    from klarity_storage.protocol.credentials import Operation

    owned.push_data_frame(f"{space}/tables/runs2", {"id": [1]})
    keys = owned._backend.issue(runs, Operation.VACUUM, None, 900)
    store = S3Store(
        keys.bucket, endpoint=keys.endpoint, region=keys.region,
        access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key,
        session_token=keys.session_token, client_options={"allow_http": True},
    )  # fmt: skip
    store.put(f"{runs}/stray.parquet", b"x")
    store.delete(f"{runs}/stray.parquet")

    for key in (f"{runs}/_delta_log/{0:020d}.json", f"{runs}2/_delta_log/{0:020d}.json",
                f"{space}/raw_binary/runs/1/scan"):  # fmt: skip
        with pytest.raises(GenericError, match="AccessDenied"):
            store.delete(key)
    assert ids(owned, runs) == [1, 2, 3]


def test_a_table_is_dropped_with_the_binaries_of_its_rows(
    server: RunningServer, owned: ks.Storage, runs: str, space: str
) -> None:
    other = f"{space}/tables/runs2"
    owned.push_data_frame(other, {"id": [1]})
    binaries = owned.credentials(runs, write=True).obstore()
    binaries.put(f"{space}/raw_binary/runs/1/scan.dcm", b"scan")

    listed = owned.drop_table(runs)
    assert (listed.dry_run, listed.objects) == (True, 3)
    assert ids(owned, runs) == [1, 2, 3]
    assert owned.drop_table(runs, dry_run=False).objects == 3

    with pytest.raises(ks.TableNotFoundError):
        owned.get_data_table(runs)
    with pytest.raises(ks.TableNotFoundError):
        owned.drop_table(runs)
    store = owned.credentials(space).obstore()
    left = {item["path"].split("/")[2] for page in store.list(f"{space}/") for item in page}
    assert left == {"runs2"}
    assert ("drop", "own", True) in audit(server, runs)
    owned.push_data_frame(runs, {"other": ["a"]})
    assert owned.get_data_table(runs).info.version == 0


def test_lineage_is_pinned_and_other_programs_read_it(
    owned: ks.Storage, runs: str, space: str, plant: PlantTree
) -> None:
    cats = owned.push(f"{space}/datasets/cats", plant({"a": b"1"}))
    owned.tag(cats.ref, "prod")
    made = f"{space}/tables/made"

    lineage = [f"{space}/datasets/cats@prod", runs]
    owned.push_data_frame(made, {"id": [1]}, message="from cats", lineage=lineage)
    with pytest.raises(ks.NotFoundError):
        owned.push_data_frame(made, {"id": [2]}, lineage=[f"{space}/datasets/dogs"])

    (entry,) = owned.get_table_history(made)
    assert entry.lineage == [cats.ref, f"{runs}@0"]
    assert (entry.author, entry.message) == (owned.whoami().principal, "from cats")
    assert (entry.rows_added, entry.files_added, entry.rows_removed) == (1, 1, 0)
    keys = owned.credentials(made)
    (info,) = DeltaTable(
        f"s3://{keys.bucket}/{made}", storage_options=keys.storage_options()
    ).history()
    assert info["lineage"] == entry.lineage
    assert (info["userName"], info["userMetadata"]) == (entry.author, "from cats")
    read = pl.read_delta(f"s3://{keys.bucket}/{made}", storage_options=keys.storage_options())
    assert read["id"].to_list() == [1]


APPEND = """
import sys
import klarity_storage as ks
address, token, table, number = sys.argv[1:]
with ks.connect(address, token=token) as storage:
    for step in range(4):
        storage.push_data_frame(table, {"id": [int(number) * 100 + step], "split": ["p"]})
"""


def test_eight_processes_append_and_nothing_is_lost(
    server: RunningServer, owned: ks.Storage, runs: str, tmp_path: Path
) -> None:
    program = tmp_path / "append.py"
    program.write_text(APPEND)
    token = server.token
    before = owned.get_data_table(runs).info.version
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), server.address, token, runs, str(number)],
            stderr=subprocess.PIPE,
        )
        for number in range(1, 9)
    ]
    told = [process.communicate(timeout=240)[1].decode() for process in processes]

    assert [process.returncode for process in processes] == [0] * 8, told
    wanted = sorted([1, 2, 3, *(n * 100 + step for n in range(1, 9) for step in range(4))])
    assert ids(owned, runs) == wanted
    # one commit an append: who lost a race looked what had come and went on from there
    assert owned.get_data_table(runs).info.version == before + 32
    keys = owned.credentials(runs)
    history = DeltaTable(
        f"s3://{keys.bucket}/{runs}", storage_options=keys.storage_options()
    ).history(32)
    retries = [entry["operationMetrics"]["num_retries"] for entry in history]
    assert max(retries) <= 31  # a retry for each commit that came between, at most: no spinning
    assert sum(retries) <= 8 * 32


def test_a_merge_that_lost_says_who_was_first(
    owned: ks.Storage, writer: ks.Storage, runs: str
) -> None:
    schema = pa.schema([("id", pa.int64()), ("split", pa.string())])

    def late() -> Iterator[pa.RecordBatch]:
        writer.push_data_frame(
            runs, {"id": [2], "split": ["w"]}, mode="merge", keys=["id"], message="fix"
        )
        yield pa.record_batch({"id": [2], "split": ["o"]}, schema=schema)

    source = pa.RecordBatchReader.from_batches(schema, late())
    with pytest.raises(ks.ConflictError) as lost:
        owned.push_data_frame(runs, source, mode="merge", keys=["id"])

    who = writer.whoami().principal
    assert f"{who} committed version 1 at " in str(lost.value)
    assert "by MERGE (fix)" in str(lost.value)
    splits = dict(pa.table(owned.get_data_frame(runs)).select(["id", "split"]).to_pandas().values)
    assert splits[2] == "w"
