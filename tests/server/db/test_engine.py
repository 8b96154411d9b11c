from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select
from sqlalchemy.exc import IntegrityError

from klarity_storage.errors import StorageFullError, UnavailableError
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import FILE, open_database

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


def add(connection: Connection, key: str, at: datetime = NOON) -> None:
    row = {"key": key, "description": "", "created_at": at, "created_by": "user:bob"}
    connection.execute(insert(schema.spaces).values(row))


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(schema.spaces.c.key)).scalars())


def test_connections_are_set_up(database: Database) -> None:
    with database.read() as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_a_change_is_whole_or_not_there(database: Database) -> None:
    def fail_half_way() -> None:
        with database.write() as connection:
            add(connection, "vision")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert keys(database) == []


def test_readers_go_on_while_one_writes(database: Database) -> None:
    with database.write() as connection:
        add(connection, "vision")
        assert keys(database) == []
    assert keys(database) == ["vision"]


def test_writers_wait_for_each_other(database: Database) -> None:
    writing = threading.Event()
    seen: list[str] = []

    def second() -> None:
        writing.wait()
        with database.write() as connection:
            seen.extend(connection.execute(select(schema.spaces.c.key)).scalars())

    other = threading.Thread(target=second)
    other.start()
    with database.write() as connection:
        writing.set()
        add(connection, "vision")
    other.join(10)
    assert seen == ["vision"]


def test_times_come_back_in_utc(database: Database) -> None:
    with database.write() as connection:
        add(connection, "vision", NOON.astimezone(timezone(timedelta(hours=5))))
    with database.read() as connection:
        [row] = connection.execute(select(schema.spaces.c.created_at)).scalars()
    assert row == NOON
    assert row.tzinfo is UTC


def test_references_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(
            insert(schema.tokens).values(id="t", user="nobody", label="", hash="h", created_at=NOON)
        )


@pytest.mark.parametrize(
    ("pragma", "told"),
    [("max_page_count = 1", "its disk is full"), ("query_only = ON", "it is read-only")],
)
def test_a_disk_that_takes_nothing_is_told(database: Database, pragma: str, told: str) -> None:
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {pragma}")

    def fill() -> None:
        with database.write() as connection:
            for number in range(200):
                add(connection, f"s{number}" + "x" * 100)

    event.listen(database._engine, "begin", limit)
    with pytest.raises(StorageFullError, match=told):
        fill()
    assert keys(database) == []


def test_a_file_damaged_under_way_is_told(database: Database, tmp_path: Path) -> None:
    database.close()
    for file in tmp_path.glob(f"{FILE}-*"):
        file.unlink()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(b"\xff" * len(whole))
    assert database.check() == "The control database does not answer: its file is damaged."
    with pytest.raises(UnavailableError):
        keys(database)


def test_a_lock_that_nobody_lets_go_of_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("klarity_storage.server.db.engine._BUSY_MS", 1)
    database = open_database(tmp_path)
    with (
        database.write(),
        pytest.raises(UnavailableError, match="it is busy") as refusal,
        database.write(),
    ):
        pass
    assert refusal.value.hint == "Try again."
    database.close()
