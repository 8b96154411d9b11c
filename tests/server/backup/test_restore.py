from __future__ import annotations

import errno
import gzip
import os
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, insert, select, text

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    IntegrityError,
    InvalidDataError,
    NotFoundError,
    StorageError,
)
from klarity_storage.server.backup.file import BackupWriter, read_backup
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.backup.save import back_up
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import FILE, connect_database, open_database, upgrade
from klarity_storage.server.lock import locked_data
from klarity_storage.server.operator import back_up_server, restore_server
from klarity_storage.server.settings.sections import Settings

Old = tuple[Settings, Control]


def content(database: Database) -> dict[str, list[Any]]:
    """All that is in a database, but for the generation, and lines that tell of a restore."""
    with database.read() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
            if table.name != "generations"
        }
    found["audit"] = [row for row in found["audit"] if not row[3].startswith("operator_")]
    return found


def stored(settings: Settings) -> dict[str, list[Any]]:
    database = connect_database(settings.data, settings.database)
    try:
        return content(database)
    finally:
        database.close()


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_all_of_it_comes_back_in_either_kind(
    old: Old, target: str, new_server: Any, tmp_path: Path, memory_engine: MemoryEngine
) -> None:
    settings, control = old
    made = back_up_server(settings, tmp_path / "backup")  # the server runs
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert made.rows["users"] == 4
    new = new_server(target, "new")
    restored = restore_server(new, tmp_path / "backup")
    assert restored.rows == made.rows
    assert stored(new) == stored(settings)
    assert any(stored(new)["grants"])
    with running_control(new.data, memory_engine, new.database.url) as again:
        answer = again.http.get(
            "/v1/whoami", headers={"Authorization": f"Bearer {control.admin.token}"}
        )
        assert answer.json()["principal"] == "user:admin"


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_backup_of_a_backup_is_the_same(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, _ = old
    back_up_server(settings, tmp_path / "one")
    for number, target in enumerate(("postgresql", "sqlite")):
        new = new_server(target, f"new-{number}")
        restore_server(new, tmp_path / "one")
        back_up_server(new, tmp_path / f"again-{number}")
        lines, first = (
            gzip.decompress(file.read_bytes()).splitlines()[1:-1]
            for file in (tmp_path / f"again-{number}", tmp_path / "one")
        )
        assert without_traces(lines) == without_traces(first)


def without_traces(lines: list[bytes]) -> list[bytes]:
    """Without what a restore leaves: a generation that rose, and lines that tell of it."""
    return [
        line for line in lines if not line.startswith(b'["rights",') and b"operator_" not in line
    ]


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


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_servers_notice_that_all_is_another(old: Old, new_server: Any, tmp_path: Path) -> None:
    """A generation never comes back: a server that has missed the restore drops what it knows."""
    settings, _ = old
    back_up_server(settings, tmp_path / "backup")
    new = new_server("sqlite", "new")
    seen = []
    for _ in range(3):
        restore_server(new, tmp_path / "backup", replace=True)
        database = connect_database(new.data, new.database)
        with database.read() as connection:
            seen.append(connection.execute(select(schema.generations.c.value)).scalar_one())
        database.close()
    assert seen == sorted(set(seen))


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


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_backup_of_an_older_program_is_brought_up_to_date(
    kind: str, target: str, new_server: Any, tmp_path: Path
) -> None:
    older = new_server(kind, "older")
    database = connect_database(older.data, older.database)
    with database.write() as connection:
        upgrade(connection, "0001")
        connection.execute(
            text(
                "INSERT INTO users (name, display_name, administrator, created_at)"
                " VALUES ('alice', 'Alice', true, '2026-01-01 12:00:00+00:00')"
                if kind == "postgresql"
                else "INSERT INTO users (name, display_name, administrator, created_at)"
                " VALUES ('alice', 'Alice', 1, '2026-01-01 12:00:00.000000')"
            )
        )
    made = back_up(database, tmp_path / "backup")
    database.close()
    assert made.revision == "0001"
    new = new_server(target, "new")
    restore_server(new, tmp_path / "backup")
    [alice] = stored(new)["users"]
    assert alice[:3] == ("alice", "Alice", True)
    assert alice[3].isoformat() == "2026-01-01T12:00:00+00:00"
    opened = open_database(new.data, new.database)
    assert opened.check() is None
    opened.close()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_what_is_not_ours_stays(new_server: Any, old: Old, tmp_path: Path) -> None:
    settings, _ = old
    back_up_server(settings, tmp_path / "backup")
    new = new_server("postgresql", "shared")
    database = connect_database(new.data, new.database)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE theirs (x int)"))
        connection.execute(text("INSERT INTO theirs VALUES (7)"))
    database.close()
    for _ in range(2):
        made = restore_server(new, tmp_path / "backup", replace=True)
        assert "theirs" not in made.rows
    database = connect_database(new.data, new.database)
    with database.read() as connection:
        assert connection.execute(text("SELECT x FROM theirs")).scalar_one() == 7
    database.close()


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


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_restored_file_is_its_owners_alone(old: Old, new_server: Any, tmp_path: Path) -> None:
    settings, _ = old
    back_up_server(settings, tmp_path / "backup")
    data = tmp_path / "made" / "here"
    restore_server(Settings(data=data), tmp_path / "backup")
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / FILE).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(data / FILE)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert plain.execute("PRAGMA foreign_key_check").fetchall() == []


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
