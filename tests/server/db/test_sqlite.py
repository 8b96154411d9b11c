from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select

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
                row = {"key": f"s{number}" + "x" * 100, "description": "", "created_by": "user:bob"}
                connection.execute(insert(schema.spaces).values(row | {"created_at": NOON}))

    event.listen(database._engine, "begin", limit)
    with pytest.raises(StorageFullError, match=told):
        fill()
    with database.read() as connection:
        assert connection.execute(select(schema.spaces.c.key)).first() is None


def test_a_file_damaged_under_way_is_told(database: Database, tmp_path: Path) -> None:
    database.close()
    for file in tmp_path.glob(f"{FILE}-*"):
        file.unlink()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(b"\xff" * len(whole))
    assert database.check() == "The control database does not answer: its file is damaged."
    with pytest.raises(UnavailableError), database.read():
        pass
