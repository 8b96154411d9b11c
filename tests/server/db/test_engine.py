from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from klarity_storage.errors import UnavailableError
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import connect_database
from klarity_storage.server.settings.sections import DatabaseSettings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def add(connection: Connection, key: str, at: datetime = NOON) -> None:
    row = {"key": key, "description": "", "created_at": at, "created_by": "user:bob"}
    connection.execute(insert(schema.spaces).values(row))


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        query = select(schema.spaces.c.key).order_by(schema.spaces.c.key)
        return list(connection.execute(query).scalars())


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


def test_a_second_server_waits_for_the_first(
    database: Database, tmp_path: Path, settings: DatabaseSettings
) -> None:
    """What is read in a change stays so until its end, whoever else has the database open."""
    other = connect_database(tmp_path, settings)
    entered = threading.Event()
    seen: list[str] = []

    def second() -> None:
        entered.set()
        with other.write() as connection:
            seen.extend(connection.execute(select(schema.spaces.c.key)).scalars())
            add(connection, "audio")

    thread = threading.Thread(target=second)
    with database.write() as connection:
        assert connection.execute(select(schema.spaces.c.key)).first() is None
        thread.start()
        entered.wait()
        thread.join(0.2)  # it gets time to do wrong
        add(connection, "vision")
    thread.join(10)
    assert seen == ["vision"]
    assert keys(database) == ["audio", "vision"]
    other.close()


def test_a_reader_sees_one_state(
    database: Database, tmp_path: Path, settings: DatabaseSettings
) -> None:
    other = connect_database(tmp_path, settings)
    query = select(schema.spaces.c.key)
    with database.read() as connection:
        before = connection.execute(query).scalars().all()
        with other.write() as writing:
            add(writing, "vision")
        assert connection.execute(query).scalars().all() == before == []
    assert keys(database) == ["vision"]
    other.close()


def test_a_lock_that_nobody_lets_go_of_is_told(
    database: Database, tmp_path: Path, settings: DatabaseSettings
) -> None:
    other = connect_database(tmp_path, settings)
    with (
        database.write(),
        pytest.raises(UnavailableError, match="it is busy") as refusal,
        other.write(patience=0.01),
    ):
        pass
    assert refusal.value.hint == "Try again."
    with other.write() as connection:  # and the connection is good for another
        add(connection, "vision")
    assert keys(database) == ["vision"]
    other.close()


def test_names_are_ordered_by_their_bytes(database: Database) -> None:
    names = ["a", "a-b", "a.b", "a0", "a_b", "aa", "b"]
    with database.write() as connection:
        for name in reversed(names):
            add(connection, name)
    assert keys(database) == names


def test_a_defect_of_ours_is_told_as_such(database: Database) -> None:
    with pytest.raises(DBAPIError) as failure, database.read() as connection:
        connection.exec_driver_sql("SELECT nothing FROM spaces")
    assert "UnavailableError" not in repr(failure.value)


def test_what_is_written_is_in_no_message(database: Database) -> None:
    with database.write() as connection:
        add(connection, "hidden-key")
    with pytest.raises(IntegrityError) as failure, database.write() as connection:
        add(connection, "hidden-key")
    assert "[SQL parameters hidden" in str(failure.value)


def test_times_come_back_in_utc(database: Database) -> None:
    with database.write() as connection:
        add(connection, "vision", NOON.astimezone(timezone(timedelta(hours=5))))
    with database.read() as connection:
        [row] = connection.execute(select(schema.spaces.c.created_at)).scalars()
    assert row == NOON
    assert row.tzinfo is UTC


@pytest.mark.parametrize(
    "at",
    [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)],
    ids=["last", "first"],
)
def test_the_first_and_the_last_moment_come_back(database: Database, at: datetime) -> None:
    with database.write() as connection:
        add(connection, "vision", at)
    with database.read() as connection:
        assert connection.execute(select(schema.spaces.c.created_at)).scalar_one() == at


def test_references_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(
            insert(schema.tokens).values(id="t", user="nobody", label="", hash="h", created_at=NOON)
        )
