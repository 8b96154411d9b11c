"""Which versions may hold a content: hints from an index that costs only time when it is wrong.

``_ks/added-<sha256 of its manifest>.parquet`` of a version of many files lists the contents that it
has and the version before it, its base, had not: the beginnings of their digests, because whoever
asks looks into the manifest of the version that is hinted at. The lists of the live versions, and
whole manifests where a list or its base is gone, make the index of a name: see design/006.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.errors import NotFoundError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.workers import run_all

LISTED_FROM: Final = 1000
"""Files of a version that is worth a list: a smaller manifest is as quickly read itself."""

READERS: Final = 32
_SCHEMA = pa.schema([pa.field("content", pa.int64(), nullable=False)])
_BASE = b"base"
_MANIFESTS = 4
"""Whole ones at once: one of a million files has 40 MB."""
_TABLES = """
CREATE TABLE IF NOT EXISTS versions(
    id INTEGER PRIMARY KEY, version TEXT NOT NULL UNIQUE, base TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contents(
    content INTEGER, version INTEGER, PRIMARY KEY(content, version)) WITHOUT ROWID;
"""
_BUSY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Added:
    """What a version holds that its base does not."""

    base: str
    """A version hash; empty for the first version."""
    contents: frozenset[int]


def content_hints(digests: Iterable[str]) -> array[int]:
    """The beginnings of SHA-256 digests, as the index keeps them.

    >>> content_hints(["00000000000000ff" + 48 * "0"])
    array('q', [255])
    """
    hints = array("q", bytes.fromhex("".join(digest[:16] for digest in digests)))
    if sys.byteorder == "little":
        hints.byteswap()
    return hints


def write_added(store: ObjectStore, name: Name, version: str, manifest: str, added: Added) -> None:
    """Lay the list of what a version adds beside its manifest."""
    table = pa.table({"content": sorted(added.contents)}, schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({_BASE: added.base.encode()}),
        sink,
        compression="zstd",
        use_dictionary=False,
        write_page_checksum=True,
    )
    key = name.added_key(version, manifest)
    with told_as_ours(f"the list of what {name}@{version[:12]} adds"):
        store.put(key, sink.getvalue().to_pybytes())


def hinted_versions(
    store: ObjectStore,
    name: Name,
    known: list[VersionInfo],
    wanted: Collection[int],
    file: Path | None,
) -> dict[str, set[int]]:
    """For each live version, the wanted contents that it may have added.

    Args:
        store: the bucket, with keys that read the name.
        name: the name.
        known: its live commits, newest first.
        wanted: beginnings of digests.
        file: where the index is kept, and extended by versions that it has not seen; None, a
            damaged file or one that cannot be written make it anew in memory.
    """
    for place in (file, None):
        try:
            with closing(_open(place)) as index:
                _extend(index, store, name, known)
                return _look_up(index, wanted)
        except (sqlite3.Error, OSError):
            if place is None:
                raise
            _discard(place)
    raise AssertionError


def _open(file: Path | None) -> sqlite3.Connection:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    index = sqlite3.connect(file or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        index.executescript(_TABLES)
    except BaseException:
        index.close()
        raise
    return index


def _discard(file: Path) -> None:
    """Remove an index that is damaged; one that is only locked or read-only is good again later."""
    try:
        where = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(where, timeout=0, uri=True)) as index:
            index.execute("SELECT base FROM versions JOIN contents ON id = contents.version")
            if index.execute("PRAGMA quick_check").fetchone() == ("ok",):
                return
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            return
    except sqlite3.DatabaseError:
        pass
    with suppress(OSError):  # not ours to remove: then each push makes one in memory
        file.unlink()


def _extend(
    index: sqlite3.Connection, store: ObjectStore, name: Name, known: list[VersionInfo]
) -> None:
    """Make the index that of the live versions: drop what is deleted, read what is new.

    A version whose base was deleted is read again: what it shares with its base, only the base's
    rows told.
    """
    live = {info.version: info for info in reversed(known)}  # oldest first
    seen = dict(index.execute("SELECT version, base FROM versions"))
    stale = {v for v, base in seen.items() if v not in live or (base and base not in live)}
    fresh = [info for version, info in live.items() if version not in seen or version in stale]
    if not stale and not fresh:
        return
    lists = dict(_read_added(store, name, live, fresh))
    index.execute("BEGIN IMMEDIATE")
    if stale:
        index.execute("CREATE TEMP TABLE stale(version TEXT PRIMARY KEY)")
        index.executemany("INSERT INTO stale VALUES (?)", ((version,) for version in stale))
        index.execute(
            "DELETE FROM contents WHERE version IN "
            "(SELECT id FROM versions JOIN stale USING (version))"
        )
        index.execute("DELETE FROM versions WHERE version IN (SELECT version FROM stale)")
    for version, added in lists.items():
        _insert(index, version, added)
    index.execute("COMMIT")


def _insert(index: sqlite3.Connection, version: str, added: Added) -> None:
    done = index.execute(
        "INSERT INTO versions(version, base) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (version, added.base),
    )
    if done.rowcount:  # otherwise another process was first
        rows = ((content, done.lastrowid) for content in sorted(added.contents))
        index.executemany("INSERT INTO contents VALUES (?, ?)", rows)


def _look_up(index: sqlite3.Connection, wanted: Collection[int]) -> dict[str, set[int]]:
    index.execute("CREATE TEMP TABLE wanted(content INTEGER PRIMARY KEY)")
    index.executemany("INSERT INTO wanted VALUES (?)", ((content,) for content in sorted(wanted)))
    rows = index.execute(
        "SELECT versions.version, content FROM wanted JOIN contents USING (content) "
        "JOIN versions ON id = contents.version"
    )
    found: dict[str, set[int]] = {}
    for version, content in rows:
        found.setdefault(version, set()).add(content)
    return found


def _read_added(
    store: ObjectStore, name: Name, live: dict[str, VersionInfo], fresh: list[VersionInfo]
) -> Iterator[tuple[str, Added]]:
    lists = run_all(lambda info: read_added(store, name, info), fresh, workers=READERS)
    lost = []
    for info, added in zip(fresh, lists, strict=True):
        if added is not None and (not added.base or added.base in live):
            yield info.version, added
        else:
            lost.append(info)
    yield from _compare_manifests(store, name, list(live.values()), lost)


def read_added(store: ObjectStore, name: Name, info: VersionInfo) -> Added | None:
    """A version's list, or None when there is none that can be read: its manifest tells as much."""
    try:
        with told_as_ours("a list of what a version adds"):
            key = name.added_key(info.version, info.manifest)
            data = bytes(store.get(key).bytes())
        # not by `pq.read_table`, which loads pandas where that is installed
        listed = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = listed.read(use_threads=False)
        base = table.schema.metadata[_BASE].decode()
        return Added(base, frozenset(table["content"].cast(pa.int64()).to_pylist()))
    except (NotFoundError, pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def _compare_manifests(
    store: ObjectStore, name: Name, live: list[VersionInfo], lost: list[VersionInfo]
) -> Iterator[tuple[str, Added]]:
    """What versions add to the live version before them, from the manifests of both."""
    before = dict(zip((i.version for i in live[1:]), live, strict=False))
    queue = iter(lost)
    last: tuple[str, array[int]] = ("", array("q"))
    while batch := list(islice(queue, _MANIFESTS)):
        wholes = run_all(lambda info: _all_contents(store, name, info), batch, workers=_MANIFESTS)
        for info, whole in zip(batch, wholes, strict=True):
            base = before.get(info.version)
            if base is None:
                yield info.version, Added("", frozenset(whole))
            else:
                known = last[1] if last[0] == base.version else _all_contents(store, name, base)
                yield info.version, Added(base.version, frozenset(whole).difference(known))
            last = (info.version, whole)


def _all_contents(store: ObjectStore, name: Name, info: VersionInfo) -> array[int]:
    """What a manifest lists; one that is missing or damaged is no source of content."""
    try:
        with told_as_ours(f"the manifest of {name}@{info.version[:12]}"):
            data = bytes(store.get(name.manifest_key(info.version, info.manifest)).bytes())
        listed = pq.ParquetFile(pa.BufferReader(data))
        table = listed.read(columns=["sha256"], use_threads=False)
        return content_hints(table["sha256"].to_pylist())
    except (NotFoundError, pa.ArrowException, OSError, ValueError, KeyError):
        return array("q")
