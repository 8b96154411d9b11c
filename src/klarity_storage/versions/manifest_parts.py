"""The manifest of a version where it lies: what is asked for is fetched and decoded, and no more.

Of a large manifest with an index a look-up fetches the footer and one row group. Where much of it
is asked for, it is fetched whole, once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.log import Footer
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.files import Files
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.manifest import (
    SCHEMA,
    FileInfo,
    Manifest,
    after,
    altered,
    checked,
    fetch_manifest,
    told_of_manifest,
)
from klarity_storage.versions.manifest_file import ManifestFile
from klarity_storage.versions.manifest_index import Group, Window, groups_between, read_groups

SHARE: Final = 4
"""A manifest of which one in so many row groups was asked for is fetched whole."""

KEPT: Final = 8
"""Row groups that stay decoded: 3 MB each."""

_NONE: Final = pa.Table.from_batches([], SCHEMA)  # `SCHEMA.empty_table()` loads pandas


class StoredManifest:
    """The files of a version that stands in storage. It is good for several threads.

    Args:
        store: the bucket, with keys that read the name.
        name: whose version.
        info: which.
    """

    def __init__(self, store: ObjectStore, name: Name, info: VersionInfo) -> None:
        self._store = store
        self._name = name
        self._info = info
        self._what = f"The manifest of {name}@{info.version[:12]}"
        self._lock = threading.RLock()
        self._file: ManifestFile | None = None
        self._parts: _Parts | None = None
        self._firsts: list[str] = []
        self._tables: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return self._info.files

    def find(self, path: str) -> FileInfo:
        """One file, or FileMissingError."""
        for table in self._between(path, after(path)):
            if (found := Manifest(table).get(path)) is not None:
                return found
        return Manifest(_NONE).find(path)

    def at_hand(self, path: str) -> FileInfo | None:
        """One file, where that takes no look at storage, and no waiting for somebody who looks."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            groups = groups_between(self._firsts, path, after(path)) if self._firsts else ()
            tables = [self._tables.get(number) for number in groups]
        finally:
            self._lock.release()
        found = (Manifest(table).get(path) for table in tables if table is not None)
        return next((file for file in found if file is not None), None)

    def between(self, low: str, high: str) -> Manifest:
        """The files from one path on and before another."""
        return Manifest(_joined(self._between(low, high))).between(low, high)

    def _between(self, low: str, high: str) -> list[pa.Table]:
        """The row groups that may hold such paths."""
        with self._lock:
            self._open()
            wanted = groups_between(self._firsts, low, high)
            parts = self._parts
            if parts and len(parts.fetched.union(wanted)) > len(self._firsts) // SHARE:
                self._whole()
            return [self._table(number) for number in wanted]

    def first_between(self, low: str, high: str) -> Manifest:
        """The files from one path on and before another, as far as one row group holds them."""
        with self._lock:
            self._open()
            for number in groups_between(self._firsts, low, high):
                if found := Manifest(self._table(number)).between(low, high):
                    return found
        return Manifest(_NONE)

    def filter(self, mask: pa.ChunkedArray) -> Manifest:
        """The files where a mask holds."""
        file = self._whole()
        tables = []
        for number, start in enumerate(file.starts[:-1]):
            here = mask.slice(start, file.starts[number + 1] - start)
            if any(chunk.true_count for chunk in here.iterchunks()):
                tables.append(self._table(number).filter(here))
        return Manifest(_joined(tables))

    def column(self, name: str) -> pa.ChunkedArray:
        return self.columns(name)[name]

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all files, or all; nothing of the others is decoded."""
        return self._whole().columns(*names)

    def files(self) -> Files:
        """All files, each an object when it is looked at."""
        return Files(self._whole().starts, lambda number: Manifest(self._table(number)))

    def all(self) -> Manifest:
        """All files, decoded at once."""
        return Manifest(self._whole().all())

    def _open(self) -> None:
        """Know which path each row group begins with."""
        if self._firsts:
            return
        if self._info.footer and self._file is None:
            self._parts = _Parts(self._store, self._name, self._info, self._info.footer)
            self._firsts = [group.first for group in self._parts.groups]
        else:
            self._firsts = self._whole().firsts()

    def _whole(self) -> ManifestFile:
        with self._lock:
            if self._file is None:
                info = self._info
                data = fetch_manifest(self._store, self._name, info.version, info.manifest)
                self._file = ManifestFile(data, self._what)
                self._parts = None
            return self._file

    def _table(self, number: int) -> pa.Table:
        with self._lock:
            if number not in self._tables:
                source = self._parts or self._whole()
                self._tables[number] = source.group(number)
            self._tables.move_to_end(number)
            if len(self._tables) > KEPT:
                self._tables.popitem(last=False)
            return self._tables[number]


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables) if tables else _NONE


class _Parts:
    """A large manifest of which the footer is here, verified, and some row groups."""

    def __init__(self, store: ObjectStore, name: Name, info: VersionInfo, footer: Footer) -> None:
        self._store = store
        self._name = name
        self._version = info.version
        self._key = name.manifest_key(info.version, info.manifest)
        self._fetched: dict[int, bytes] = {}
        tail = self._fetch({"suffix": footer.bytes}, footer.sha256)
        self._metadata = pq.ParquetFile(pa.BufferReader(tail)).metadata
        self.groups: list[Group] = read_groups(self._metadata) or []

    @property
    def fetched(self) -> frozenset[int]:
        """Which row groups are here."""
        return frozenset(self._fetched)

    def group(self, number: int) -> pa.Table:
        """The rows of one row group, checked."""
        group = self.groups[number]
        if number not in self._fetched:
            reach = (group.offset, group.offset + group.length)
            self._fetched[number] = self._fetch(reach, group.sha256)
        window = Window(memoryview(self._fetched[number]), group.offset)
        return checked(
            lambda: pq.ParquetFile(window, metadata=self._metadata),
            f"The manifest of {self._name}@{self._version[:12]}",
            [number],
        )

    def _fetch(self, reach: Any, sha256: str) -> bytes:
        """Some bytes of the manifest that have this digest.

        Raises:
            IntegrityError: the manifest is missing, or its bytes are others.
        """
        with told_of_manifest(self._name, self._version):
            data = bytes(self._store.get(self._key, options={"range": reach}).bytes())
        if digest_bytes(data).sha256 != sha256:
            raise altered(self._name, self._version)
        return data
