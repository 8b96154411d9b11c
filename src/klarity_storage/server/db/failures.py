"""Failures of the database, told as ours in one place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from klarity_storage.errors import StorageError, StorageFullError, UnavailableError

_AGAIN: Final = "Try again."

_SQLITE_FULL: Final = {
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
}
_SQLITE_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY: "it is busy",
    sqlite3.SQLITE_LOCKED: "it is busy",
    sqlite3.SQLITE_PERM: "the system refuses access to its file",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_IOERR: "its disk fails",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged",
}
_SQLITE_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_POSTGRES_FULL: Final = {
    "53100": "its disk is full",
    "25006": "it is read-only",
}
_POSTGRES_UNAVAILABLE: Final = {
    # five characters are one state, two a class of them
    "55P03": "it is busy",
    "57014": "it is busy",
    "40": "it is busy",
    "53": "it has no room for another connection",
    "57": "it is starting or stopping",
    "08": "the connection to it is lost",
    "25P03": "the connection to it is lost",
    "28": "it refuses the server's user or password",
    "3D": "there is no database of that name",
    "42501": "it refuses the server's user a right",
    "58": "its disk fails",
    "XX": "its data are damaged",
}


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Raise StorageFullError or UnavailableError for a database that cannot do its work.

    A violated constraint passes as it is: the verb that caused it knows what it means.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise _unavailable("every connection is in use") from error
    except IntegrityError:
        raise
    except DBAPIError as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def _translated(error: DBAPIError) -> StorageError | None:
    extended = getattr(error.orig, "sqlite_errorcode", None)
    if extended is not None:
        # the low byte is the kind of failure, the rest says where in SQLite
        return _of_sqlite(extended & 0xFF)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _of_postgres(state)
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return _unavailable("it cannot be reached")
    return None


def _of_sqlite(code: int) -> StorageError | None:
    if code in _SQLITE_FULL:
        return StorageFullError(
            f"The control database cannot be written: {_SQLITE_FULL[code]}.",
            hint="Free some space in the data directory, or make it writable.",
        )
    if code in _SQLITE_UNAVAILABLE:
        restore = "Stop the server and restore klarity.db from a backup."
        return _unavailable(
            _SQLITE_UNAVAILABLE[code], restore if code in _SQLITE_DAMAGED else _AGAIN
        )
    return None


def _of_postgres(state: str) -> StorageError | None:
    if state in _POSTGRES_FULL:
        return StorageFullError(
            f"The control database cannot be written: {_POSTGRES_FULL[state]}.",
            hint="Free some space for PostgreSQL, or let database.url name the primary.",
        )
    reason = _POSTGRES_UNAVAILABLE.get(state) or _POSTGRES_UNAVAILABLE.get(state[:2])
    return _unavailable(reason) if reason else None


def _unavailable(reason: str, hint: str = _AGAIN) -> UnavailableError:
    return UnavailableError(f"The control database does not answer: {reason}.", hint=hint)
