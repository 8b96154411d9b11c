"""Connections to the control database, and what a transaction means on them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.pool import ConnectionPoolEntry

from klarity_storage.errors import StorageError, StorageFullError, UnavailableError
from klarity_storage.server.db.failures import told_as_ours

_BUSY_MS: Final = 5_000
_CONNECTIONS: Final = 40
"""As many as the server has worker threads: a request never waits for a connection."""


class Database:
    """The control database.

    Every piece of work is one transaction: ``with database.read() as connection`` or ``write()``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(ks_writes=True)

    def read(self) -> AbstractContextManager[Connection]:
        """One consistent view of the database.

        Raises:
            UnavailableError: it does not answer.
        """
        return _transaction(self._engine)

    def write(self) -> AbstractContextManager[Connection]:
        """One change: all of it is there after the block, or nothing of it.

        Raises:
            StorageFullError: its disk is full or read-only.
            UnavailableError: it does not answer.
        """
        return _transaction(self._writer)

    def check(self) -> str | None:
        """None when it answers, or one sentence that says what is wrong."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1 FROM spaces LIMIT 1"))
        except StorageError as error:
            return error.message
        return None

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    with told_as_ours(), engine.begin() as connection:
        yield connection


def sqlite_database(file: Path) -> Database:
    """The database in a file, which is made, readable by its owner alone, where there is none."""
    with told_as_ours():
        engine = sqlite_engine(file)
    return Database(engine)


def sqlite_engine(file: Path) -> Engine:
    """A SQLAlchemy engine whose transactions are the database's own."""
    _touch(file)
    engine = create_engine(
        URL.create("sqlite", database=str(file)), pool_size=_CONNECTIONS, max_overflow=0
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _touch(file: Path) -> None:
    """Make the file before SQLite does, whose own would be readable by everybody."""
    try:
        file.touch(mode=0o600)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
        cls = StorageFullError if full else UnavailableError
        raise cls(
            f"The control database cannot be made: {error.strerror}.",
            hint="Give the server a data directory that it may write to.",
        ) from error


def _prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
    """Set up a connection.

    WAL lets readers go on while one writes. ``synchronous=FULL`` costs one fsync a change, and
    changes are rare here; with NORMAL a power cut could undo the last ones, and a revoked token
    would be good again.
    """
    del entry
    connection.isolation_level = None  # no BEGIN of the driver's own: see _begin
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    """Begin with a write lock where something will be written.

    A transaction that reads first and asks for the lock later is refused at once, without the busy
    timeout, when another has written in between.
    """
    writes = connection.get_execution_options().get("ks_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
