"""Changes of a table that stay on this disk until they are promoted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import klarity_storage as ks
from server_fixture import RunningServer
from table_cache_fixture import ids, objects, rows

pytestmark = pytest.mark.real


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
