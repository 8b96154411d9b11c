"""Backups that are not restored, and places that they are not restored into."""

from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from backup_fixture import Old, stored
from klarity_storage.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    IntegrityError,
    InvalidDataError,
    StorageError,
)
from klarity_storage.server.backup.file import read_backup
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.db.migrate import connect_database
from klarity_storage.server.lock import locked_data
from klarity_storage.server.operator import back_up_server, restore_server
from klarity_storage.server.settings.sections import Settings


def test_what_is_there_is_not_lost_by_mistake(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, _ = old
    back_up_server(settings, tmp_path / "backup")
    with pytest.raises(AlreadyExistsError, match="There is a file"):
        back_up_server(settings, tmp_path / "backup")
    back_up_server(settings, tmp_path / "backup", replace=True)
    for target in ("sqlite", "postgresql"):
        new = new_server(target, target)
        restore_server(new, tmp_path / "backup")
        before = stored(new)
        with pytest.raises(AlreadyExistsError, match="not empty: it holds users and spaces"):
            restore_server(new, tmp_path / "backup")
        assert stored(new) == before
        restore_server(new, tmp_path / "backup", replace=True)
        assert stored(new) == before


def test_a_server_that_runs_is_not_restored_under(old: Old, kind: str, tmp_path: Path) -> None:
    settings, control = old
    back_up_server(settings, tmp_path / "backup")
    before = stored(settings)
    if kind == "sqlite":
        with (
            locked_data(settings.data),
            pytest.raises(ConflictError, match="in use by another server"),
        ):
            restore_server(settings, tmp_path / "backup", replace=True)
    else:
        with pytest.raises(ConflictError, match="Servers use the control database"):
            restore_server(settings, tmp_path / "backup", replace=True)
    assert stored(settings) == before
    assert control.admin.ok("GET", "/v1/whoami")


def fails(settings: Settings, file: Path, kind: type[StorageError], match: str) -> None:
    before = stored(settings)
    with pytest.raises(kind, match=match):
        restore_server(settings, file, replace=True)
    assert stored(settings) == before


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_damaged_backup_changes_nothing(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, _ = old
    file = tmp_path / "backup"
    back_up_server(settings, file)
    new = new_server("sqlite", "new")
    restore_server(new, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    fails(new, file, IntegrityError, "is damaged")
    file.write_bytes(whole)
    content_of, harmless = list(read_backup(file)), 0
    for place in range(10, len(whole), 5):  # the time of day stands before
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        with suppress(IntegrityError, InvalidDataError):
            assert list(read_backup(file)) == content_of  # a bit that says nothing
            harmless += 1
    assert harmless < 3
    lines = gzip.decompress(whole).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[:-1])))
    fails(new, file, IntegrityError, "its end is missing")
    file.write_bytes(gzip.compress(b"".join([*lines[:-3], lines[-1]])))
    fails(new, file, IntegrityError, "its checksum is another")
    file.write_bytes(gzip.compress(b"".join(lines).replace(b"alice", b"mallo")))
    fails(new, file, IntegrityError, "its checksum is another")
    for other in (b"", b"no backup", gzip.compress(b"[]\n"), gzip.compress(b"\xff\n")):
        file.write_bytes(other)
        fails(new, file, InvalidDataError, "is no backup")


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_newer_backup_is_refused(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, _ = old
    file = tmp_path / "backup"
    back_up_server(settings, file)
    new = new_server("sqlite", "new")
    restore_server(new, file)
    first, rest = gzip.decompress(file.read_bytes()).split(b"\n", 1)
    header = msgspec.json.decode(first)
    file.write_bytes(
        gzip.compress(msgspec.json.encode(header | {"revision": "9999"}) + b"\n" + rest)
    )
    fails(new, file, ConfigurationError, "of revision 9999, which is newer than this program")
    file.write_bytes(gzip.compress(msgspec.json.encode(header | {"version": 2}) + b"\n" + rest))
    fails(new, file, InvalidDataError, "a backup of version 2")


def test_a_failure_half_way_leaves_what_was_there(
    old: Old, kind: str, new_server: Any, tmp_path: Path
) -> None:
    settings, _ = old
    back_up_server(settings, tmp_path / "backup")
    new = new_server(kind, "new")
    restore_server(new, tmp_path / "backup")
    before = stored(new)
    database = connect_database(new.data, new.database)

    def die(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if statement.startswith("INSERT INTO grants"):
            raise RuntimeError("killed")

    event.listen(database._engine, "before_cursor_execute", die)
    with pytest.raises(RuntimeError, match="killed"):
        restore(database, tmp_path / "backup", replace=True)
    database.close()
    assert stored(new) == before
