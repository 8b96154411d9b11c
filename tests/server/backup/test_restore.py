from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from backup_fixture import Old, stored
from control_fixture import MemoryEngine, running_control
from klarity_storage.server.backup.save import back_up
from klarity_storage.server.db import schema
from klarity_storage.server.db.migrate import FILE, connect_database, open_database, upgrade
from klarity_storage.server.operator import back_up_server, restore_server
from klarity_storage.server.settings.sections import Settings


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
