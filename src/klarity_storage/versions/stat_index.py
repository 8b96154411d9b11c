"""What the files of a tree were when they were hashed, so that the same files are not read again.

A file counts as unchanged when size, inode, mtime and ctime are what they were. That is not enough
where a file was written in the same tick of its clock in which it was hashed: it may have been
written again without a difference (Git calls this racy). Such a file is not remembered.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar

from klarity_storage.versions.scan import SourceFile

TICK_NS: Final = 2_000_000_000
"""The coarsest clock of a file system: FAT writes times in steps of two seconds."""

KEPT_DAYS: Final = 90
"""How long a tree is remembered that is not pushed any more."""

_BUSY_SECONDS: Final = 5
_HELD: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
"""An index that cannot be used now, but is whole."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS trees(
    id INTEGER PRIMARY KEY, root BLOB NOT NULL UNIQUE, pushed_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files(
    tree INTEGER, path TEXT, status TEXT NOT NULL, sha256 BLOB NOT NULL,
    PRIMARY KEY(tree, path)) WITHOUT ROWID;
"""

# the types are looked at, since a damaged index may hold anything
_LOOK_UP: Final = """
SELECT path, status, sha256 FROM files JOIN trees ON id = tree WHERE root = ?
AND typeof(path) = 'text' AND typeof(status) = 'text'
AND typeof(sha256) = 'blob' AND length(sha256) = 32 ORDER BY path"""
_FRESH: Final = "CREATE TEMP TABLE fresh(path TEXT PRIMARY KEY, status, sha256) WITHOUT ROWID"
_DELETE_OTHERS: Final = "DELETE FROM files WHERE tree = ? AND path NOT IN (SELECT path FROM fresh)"
_INSERT_FRESH: Final = """
INSERT INTO files SELECT ?, path, status, sha256 FROM fresh WHERE true
ON CONFLICT DO UPDATE SET status = excluded.status, sha256 = excluded.sha256
WHERE status <> excluded.status OR sha256 <> excluded.sha256"""
_FORGET: Final = "DELETE FROM files WHERE tree IN (SELECT id FROM trees WHERE root = ?)"

Result = TypeVar("Result")


class StatIndex:
    """The index of one tree; one that cannot be read or written costs time, never a push.

    Args:
        folder: where the index lies. It is the caller's own there, since whoever could write it
            could choose what a push takes a file for.
        root: the tree, a file or a folder.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._file = folder / f"files-{os.getuid()}.sqlite"
        self._root = os.fsencode(root.resolve())

    def find(self, sources: Sequence[SourceFile]) -> dict[str, str]:
        """The SHA-256 by path of those files that are what they were; ``sources`` are sorted."""

        def look_up(index: sqlite3.Connection) -> dict[str, str]:
            index.execute(
                "UPDATE trees SET pushed_at = ? WHERE root = ?", (int(time.time()), self._root)
            )
            return dict(_unchanged(sources, index.execute(_LOOK_UP, (self._root,))))

        return self._try(look_up) or {}

    def record(self, hashed: Iterable[tuple[SourceFile, str]], *, begun_ns: int) -> None:
        """Remember the digests of the files of a tree, and forget all others of it.

        Args:
            hashed: every file, as it was before it was read, with its SHA-256.
            begun_ns: when the first was read, in nanoseconds since 1970.
        """
        rows = (
            (source.path, _status(source), bytes.fromhex(sha256))
            for source, sha256 in hashed
            if max(source.mtime_ns, source.ctime_ns) < begun_ns - TICK_NS
        )

        def replace(index: sqlite3.Connection) -> None:
            index.execute("BEGIN IMMEDIATE")
            tree = _tree(index, self._root)
            index.execute(_FRESH)
            index.executemany("INSERT INTO fresh VALUES (?, ?, ?)", rows)
            index.execute(_DELETE_OTHERS, (tree,))
            index.execute(_INSERT_FRESH, (tree,))
            index.execute("COMMIT")

        self._try(replace)

    def forget(self) -> None:
        """Let the next push read every file of the tree."""
        self._try(lambda index: index.execute(_FORGET, (self._root,)))

    def _try(self, step: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """What the step finds; None when the index cannot be used, and a damaged one is removed."""
        try:
            with closing(self._open()) as index:
                return step(index)
        except OSError:  # the cache is read-only, or somebody else's
            return None
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _HELD:
                self._remove()
            return None

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            if os.fstat(descriptor).st_uid != os.getuid():
                raise PermissionError(f"{self._file} is somebody else's.")
        finally:
            os.close(descriptor)
        index = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            index.execute("PRAGMA journal_mode = WAL")
            index.execute("PRAGMA synchronous = NORMAL")
            index.executescript(_TABLES)
        except BaseException:
            index.close()
            raise
        return index

    def _remove(self) -> None:
        for suffix in ("-wal", "-shm", ""):  # a new index must not find the log of the old one
            with suppress(OSError):
                Path(f"{self._file}{suffix}").unlink()


def _unchanged(
    sources: Sequence[SourceFile], rows: Iterator[tuple[str, str, bytes]]
) -> Iterator[tuple[str, str]]:
    """Both are sorted by path, so that none of them has to be held in whole."""
    row = next(rows, None)
    for source in sources:
        while row is not None and row[0] < source.path:
            row = next(rows, None)
        if row is None:
            return
        path, status, sha256 = row
        if path == source.path and status == _status(source):
            yield path, sha256.hex()


def _status(source: SourceFile) -> str:
    # as text: an inode or a time of some file system may pass 63 bits
    return f"{source.size} {source.inode} {source.mtime_ns} {source.ctime_ns}"


def _tree(index: sqlite3.Connection, root: bytes) -> int:
    """The number of a tree; what was not pushed for long is forgotten at this occasion."""
    now = int(time.time())
    old = (now - KEPT_DAYS * 24 * 3600,)
    index.execute("DELETE FROM files WHERE tree IN (SELECT id FROM trees WHERE pushed_at < ?)", old)
    index.execute("DELETE FROM trees WHERE pushed_at < ?", old)
    return int(
        index.execute(
            "INSERT INTO trees(root, pushed_at) VALUES (?, ?) "
            "ON CONFLICT DO UPDATE SET pushed_at = excluded.pushed_at RETURNING id",
            (root, now),
        ).fetchone()[0]
    )
