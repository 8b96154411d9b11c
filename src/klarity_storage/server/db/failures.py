"""Failures of the database, told as ours in one place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from klarity_storage.errors import StorageError, StorageFullError, UnavailableError

_FULL = {
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
}
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "it is busy",
    sqlite3.SQLITE_LOCKED: "it is busy",
    sqlite3.SQLITE_PERM: "the system refuses access to its file",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_IOERR: "its disk fails",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged",
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Raise StorageFullError or UnavailableError for a database that cannot do its work.

    A violated constraint passes as it is: the verb that caused it knows what it means.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise UnavailableError(
            "The control database does not answer: every connection is in use.", hint="Try again."
        ) from error
    except IntegrityError:
        raise
    except DBAPIError as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def _translated(error: DBAPIError) -> StorageError | None:
    extended = getattr(error.orig, "sqlite_errorcode", None)
    if extended is None:
        return None
    # the low byte is the kind of failure, the rest says where in SQLite
    code = extended & 0xFF
    if code in _FULL:
        return StorageFullError(
            f"The control database cannot be written: {_FULL[code]}.",
            hint="Free some space in the data directory, or make it writable.",
        )
    if code in _UNAVAILABLE:
        return UnavailableError(
            f"The control database does not answer: {_UNAVAILABLE[code]}.",
            hint="Stop the server and restore klarity.db from a backup."
            if code in _DAMAGED
            else "Try again.",
        )
    return None
