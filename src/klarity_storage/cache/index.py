"""What the cache holds and when it was last of use: SQLite, so that nothing walks the folders."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from klarity_storage.errors import UnavailableError

_WAIT: Final = 60.0
"""Seconds that a process waits for others to end their transaction."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS files (
    sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trees (
    version TEXT PRIMARY KEY, size INTEGER NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_use ON files (used);
"""


class Held(NamedTuple):
    """A file of the cache, as it was when it was put there."""

    sha256: str
    size: int
    mtime_ns: int | None
    """None while it is fetched."""


class Index:
    """The list of files and trees; each call is a transaction of its own.

    Args:
        file: the database.
        writable: whether it may be made and written to.
    """

    def __init__(self, file: Path, *, writable: bool, mode: int = 0o644) -> None:
        self._file = file
        self._writable = writable
        if writable:
            if not file.exists():
                file.touch(mode)
                with contextlib.suppress(OSError):
                    file.chmod(mode)  # against the umask: a group may share it
            with self._open() as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.executescript(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            database = self._connect()
            try:
                with database:
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise UnavailableError(
                f"The index of the cache, {str(self._file)!r}, cannot be used: {error}.",
                hint="ks cache clear begins a new one.",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if self._writable:
            database = sqlite3.connect(self._file, timeout=_WAIT)
            database.execute("PRAGMA synchronous=NORMAL")
            return database
        # nobody can write beside us where even the log of a reader cannot be made
        uri = f"file:{quote(str(self._file))}?mode=ro"
        try:
            database = sqlite3.connect(uri, timeout=_WAIT, uri=True)
            database.execute("SELECT count(*) FROM files")
        except sqlite3.OperationalError:
            database = sqlite3.connect(f"{uri}&immutable=1", uri=True)
        return database

    def find(self, digests: Iterable[str]) -> dict[str, Held]:
        """Those of the digests that the cache holds."""
        query = (
            "SELECT sha256, size, mtime_ns FROM files WHERE mtime_ns IS NOT NULL AND sha256 IN "
            "(SELECT value FROM json_each(?))"
        )
        with self._open() as database:
            rows = database.execute(query, (json.dumps(list(digests)),))
            return {row[0]: Held(*row) for row in rows}

    def put(self, files: Iterable[Held]) -> None:
        """Note files, before they are fetched and when they are there."""
        now = time.time_ns()
        with self._open() as database:
            database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", ((*file, now) for file in files)
            )

    def touch(self, digests: Iterable[str]) -> None:
        """Note that files were of use."""
        with self._open() as database:
            database.execute(
                "UPDATE files SET used = ? WHERE sha256 IN (SELECT value FROM json_each(?))",
                (time.time_ns(), json.dumps(list(digests))),
            )

    def drop(self, digests: Iterable[str]) -> None:
        with self._open() as database:
            database.executemany("DELETE FROM files WHERE sha256 = ?", ((d,) for d in digests))

    def put_tree(self, version: str, size: int) -> None:
        """Note a tree and the room that it takes beside the files of the cache."""
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO trees VALUES (?, ?, ?)", (version, size, time.time_ns())
            )

    def touch_tree(self, version: str) -> None:
        with self._open() as database:
            database.execute(
                "UPDATE trees SET used = ? WHERE version = ?", (time.time_ns(), version)
            )

    def drop_tree(self, version: str) -> None:
        with self._open() as database:
            database.execute("DELETE FROM trees WHERE version = ?", (version,))

    def oldest(self) -> list[Held]:
        """Every file, the one that was of no use for longest first."""
        with self._open() as database:
            query = "SELECT sha256, size, mtime_ns FROM files ORDER BY used"
            return [Held(*row) for row in database.execute(query)]

    def trees(self) -> list[tuple[str, int]]:
        """Every tree and the room it takes, the one that was of no use for longest first."""
        with self._open() as database:
            return list(database.execute("SELECT version, size FROM trees ORDER BY used"))

    def totals(self) -> tuple[int, int, int]:
        """How many files, how many trees, how many bytes."""
        with self._open() as database:
            files, size = database.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM files"
            ).fetchone()
            trees, more = database.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM trees"
            ).fetchone()
        return files, trees, size + more
