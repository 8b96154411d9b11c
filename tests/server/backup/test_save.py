from __future__ import annotations

import errno
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from backup_fixture import Old, stored
from klarity_storage.errors import (
    NotFoundError,
)
from klarity_storage.server.backup.file import BackupWriter
from klarity_storage.server.backup.save import back_up
from klarity_storage.server.db import schema
from klarity_storage.server.db.migrate import FILE, open_database
from klarity_storage.server.operator import back_up_server, restore_server
from klarity_storage.server.settings.sections import Settings


def test_it_is_of_one_moment_while_others_write(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, control = old
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            control.space(f"s{number}")  # a space, its grant: both or none
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            back_up_server(settings, tmp_path / f"backup-{number}")
    finally:
        stop.set()
        thread.join(30)
    new = new_server("sqlite", "new")
    for number in range(5):
        restore_server(new, tmp_path / f"backup-{number}", replace=True)
        rows = stored(new)
        assert {space[0] for space in rows["spaces"]} == {grant[4] for grant in rows["grants"]}


def test_many_rows_go_in_steps(new_server: Any, tmp_path: Path) -> None:
    settings = new_server("sqlite", "many")
    database = open_database(settings.data, settings.database)
    with database.write() as connection:
        connection.execute(
            insert(schema.users),
            [
                {
                    "name": f"u{n:05}",
                    "display_name": "ü" * 10,
                    "administrator": False,
                    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
                }
                for n in range(2500)
            ],
        )
    back_up(database, tmp_path / "backup")
    database.close()
    for target in ("sqlite", "postgresql"):
        new = new_server(target, target)
        assert restore_server(new, tmp_path / "backup").rows["users"] == 2500
        assert stored(new) == stored(settings)


def test_a_directory_without_a_database_is_told(tmp_path: Path, new_server: Any) -> None:
    with pytest.raises(NotFoundError, match="There is no control database in"):
        back_up_server(Settings(data=tmp_path), tmp_path / "backup")
    assert not (tmp_path / FILE).exists()
    with pytest.raises(NotFoundError, match="There is nothing in the control database"):
        back_up_server(new_server("postgresql", "empty"), tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_failure_leaves_no_half_backup(
    old: Old, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = old
    folder = tmp_path / "folder"
    folder.mkdir()

    def full(writer: BackupWriter, line: object) -> None:
        if writer.rows == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(writer, line)

    write: Any = BackupWriter.write
    monkeypatch.setattr(BackupWriter, "write", full)
    with pytest.raises(OSError, match="No space left"):
        back_up_server(settings, folder / "backup")
    assert list(folder.iterdir()) == []
