"""Tables on this disk without the server."""

from __future__ import annotations

from pathlib import Path

import pytest

import klarity_storage as ks
from server_fixture import start_server
from table_cache_fixture import ids, rows

pytestmark = pytest.mark.real


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
