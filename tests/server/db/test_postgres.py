from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from klarity_storage.errors import (
    ConfigurationError,
    StorageError,
    StorageFullError,
    UnavailableError,
)
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.db.postgres import postgres_database
from klarity_storage.server.settings.sections import DatabaseSettings
from postgres_fixture import PASSWORD, Postgres


@pytest.fixture
def lone(lone_postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    """On a PostgreSQL that the test may stop."""
    settings = DatabaseSettings(url=lone_postgres.create(), connections=3)
    database = open_database(tmp_path, settings)
    yield database
    database.close()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_it_comes_back_after_a_restart(
    lone: Database, lone_postgres: Postgres, end: signal.Signals
) -> None:
    with ThreadPoolExecutor(3) as pool:  # several connections are open
        assert list(pool.map(lambda _: lone.check(), range(9))) == [None] * 9
    lone_postgres.stop(end)
    assert lone.check() == "The control database does not answer: it cannot be reached."
    lone_postgres.start()
    assert [lone.check() for _ in range(5)] == [None] * 5


def test_a_change_that_a_restart_cuts_off_is_told_and_not_there(
    lone: Database, lone_postgres: Postgres
) -> None:
    def cut_off() -> None:
        with lone.write() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            lone_postgres.stop()
            connection.execute(text("SELECT 1"))

    with pytest.raises(UnavailableError, match="does not answer"):
        cut_off()
    lone_postgres.start()
    with lone.read() as connection:
        assert connection.execute(text("SELECT * FROM alembic_version")).scalars().one()


def test_more_callers_than_connections_wait(postgres: Postgres, tmp_path: Path) -> None:
    database = open_database(tmp_path, DatabaseSettings(url=postgres.create(), connections=1))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: database.check(), range(40))) == [None] * 40
    database.close()


def test_a_writer_that_is_killed_lets_the_others_go_on(postgres: Postgres, tmp_path: Path) -> None:
    settings = DatabaseSettings(url=postgres.create())
    first, second = open_database(tmp_path, settings), open_database(tmp_path, settings)

    def hold() -> None:
        with first.write() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgres.run(f"SELECT pg_terminate_backend({pid})")
            with second.write() as other:
                other.execute(text("SELECT 1"))
            connection.execute(text("SELECT 1"))

    with pytest.raises(UnavailableError):
        hold()
    first.close()
    second.close()


def test_a_standby_is_told(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create_database()
    open_database(tmp_path, DatabaseSettings(url=url)).close()
    name = conninfo_to_dict(url)["dbname"]
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = postgres_database(url)
    assert database.check() is None
    with (
        pytest.raises(StorageFullError, match="it is read-only"),
        database.write() as connection,
    ):
        connection.execute(text("DELETE FROM spaces"))
    database.close()


def told(url: str) -> StorageError:
    with pytest.raises((UnavailableError, ConfigurationError)) as refusal:
        postgres_database(url)
    shown = f"{refusal.value} {refusal.value.hint} {refusal.value.__cause__!r}"
    assert PASSWORD not in shown
    assert "wrong-secret" not in shown
    return refusal.value


def test_a_wrong_password_is_told_to_whoever_starts_the_server(postgres: Postgres) -> None:
    error = told(postgres.url("postgres", "wrong-secret"))
    assert 'password authentication failed for user "klarity"' in error.message
    assert "KS_DATABASE_URL" in str(error.hint)


def test_a_database_that_is_not_there_is_told(postgres: Postgres) -> None:
    assert 'database "nowhere" does not exist' in told(postgres.url("nowhere")).message


def test_nobody_at_the_address_is_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        error = told(f"postgresql://klarity:wrong-secret@127.0.0.1:{port}/ks")
    assert isinstance(error, UnavailableError)
    assert "Connection refused" in error.message


@pytest.mark.parametrize(
    "url", ["postgresql://klarity:wrong-secret@[::1/ks", "postgresql://h/ks?wrong-secret=1"]
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    error = told(url)
    assert error.message == "database.url cannot be read."


def test_another_encoding_is_refused(postgres: Postgres) -> None:
    url = postgres.create_database("ENCODING 'SQL_ASCII' TEMPLATE template0")
    assert told(url).message == "The control database keeps text in SQL_ASCII, not in UTF-8."


def test_names_are_ordered_by_their_bytes_whatever_the_locale(
    postgres: Postgres, tmp_path: Path
) -> None:
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0"
    database = open_database(tmp_path, DatabaseSettings(url=postgres.create_database(locale)))
    names = ["a", "a-b", "a.b", "a0", "a_b", "aa", "b"]
    with database.write() as connection:
        for name in names:
            connection.execute(
                text(
                    "INSERT INTO users (name, display_name, administrator, created_at) "
                    "VALUES (:name, '', false, now())"
                ),
                {"name": name},
            )
        found = connection.execute(text("SELECT name FROM users ORDER BY name")).scalars().all()
    assert found == names
    database.close()


def test_the_password_stands_in_no_object_that_is_shown(postgres: Postgres) -> None:
    database = postgres_database(postgres.create())
    shown = [repr(part) for part in (database, database._engine, database._engine.pool)]
    with database.read() as connection:
        shown += [repr(connection), repr(connection.connection.driver_connection)]
        shown.append(str(connection.engine.url))
    assert not any(PASSWORD in each for each in shown)
    database.close()


def test_a_silent_database_is_given_up() -> None:
    """A machine that takes the connection and says nothing, as behind a firewall."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = told(f"postgresql://klarity:wrong-secret@127.0.0.1:{port}/ks?connect_timeout=2")
    assert "timeout expired" in error.message
