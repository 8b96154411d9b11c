"""The control database in a file."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from klarity_storage.errors import StorageFullError, UnavailableError
from klarity_storage.server.db.engine import PATIENCE, WAITS, Database
from klarity_storage.server.db.failures import told_as_ours

_CONNECTIONS = 40
"""As many as the server has worker threads: a request never waits for a connection."""
_PATIENCE = "ks_patience"


def sqlite_database(file: Path) -> Database:
    """The database in a file, which is made, readable by its owner alone, where there is none.

    Raises:
        StorageFullError: the disk is full or read-only.
        UnavailableError: the file cannot be made.
    """
    with told_as_ours():
        engine = _engine(file)
    return Database(engine)


def _engine(file: Path) -> Engine:
    _touch(file)
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,
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
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    """Begin with a write lock where something will be written.

    A transaction that reads first and asks for the lock later is refused at once, without the busy
    timeout, when another has written in between.
    """
    waits = connection.get_execution_options().get(WAITS)
    patience = int(PATIENCE * 1000) if waits is None else waits
    if connection.info.get(_PATIENCE) != patience:  # it stays what it is, and most ask for the same
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
        connection.info[_PATIENCE] = patience
    connection.exec_driver_sql("BEGIN" if waits is None else "BEGIN IMMEDIATE")
