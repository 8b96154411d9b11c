"""Mirrors, sandboxes and redirected tables of one folder's ``.safenai``: found, made, replaced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from deltalake import DeltaTable

from klarity_storage.cache import tables as disk
from klarity_storage.cache.folder import chosen_link
from klarity_storage.cache.link import Linker
from klarity_storage.client.backend import Backend
from klarity_storage.client.cache_entries import CacheEntry
from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import CachedTable
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.mirror import Fetched, Source, data_files, mirror_snapshot
from klarity_storage.tables.push import push_table
from klarity_storage.tables.sandbox import Sandbox, make_sandbox, note_origin, read_sandbox
from klarity_storage.tables.snapshot import open_snapshot

NOTHING = Fetched(0, 0)


class CachedTables:
    """The tables of a server or directory that lie on this disk.

    Args:
        backend: where they come from.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._linker = Linker(chosen_link(), shared=True)

    def mirror(self, entry: CacheEntry) -> TableLocation | None:
        """The mirror that an entry asks for, as it is; None when there is none."""
        found = disk.mirrored(self._mirrors(entry.table), entry.version)
        return None if found is None else TableLocation(entry.table, str(found[1]))

    def mirrored(self, entry: CacheEntry, version: int) -> TableLocation | None:
        """The mirror of a version."""
        found = disk.mirrored(self._mirrors(entry.table), version)
        return None if found is None else TableLocation(entry.table, str(found[1]))

    def refresh(self, entry: CacheEntry) -> tuple[TableLocation, Fetched]:
        """Bring the version that an entry asks for; only files that are new are fetched."""
        folder = self._mirrors(entry.table)
        source, table = self._opened(entry.table, entry.version)
        self._drop_others(folder, table)
        place = disk.mirrored(folder, table.version())
        fetched = NOTHING
        if place is None:
            with disk.under_way() as partial:
                known = disk.known_folders(folder)
                fetched = self._copy(source, table, partial / "table", known)
                final = folder / "versions" / str(table.version())
                disk.publish(partial / "table", final)
            place = disk.mirrored(folder, table.version())
        if place is None:
            raise UnavailableError(f"The mirror of {entry.table} was removed at once.")
        disk.note_user(folder, disk.User(str(entry.file), entry.version, str(entry.table)))
        disk.drop_superseded(folder)
        return TableLocation(entry.table, str(place[1])), fetched

    def forget_mirror(self, entry: CacheEntry) -> None:
        """Let the mirror go, unless another file asks for it."""
        folder = self._mirrors(entry.table)
        disk.forget_user(folder, str(entry.file))
        disk.drop_superseded(folder)

    def sandbox(self, entry: CacheEntry) -> Sandbox | None:
        """The sandbox that an entry asks for, as it is; None when there is none."""
        return read_sandbox(self.sandbox_folder(entry))

    def begin(self, entry: CacheEntry, version: int | None = None) -> tuple[Sandbox, Fetched]:
        """Begin a sandbox; one that stands there is replaced. Hold its lock."""
        final = self.sandbox_folder(entry)
        source, table = self._opened(entry.table, version)
        known = [final / "table", *disk.known_folders(self._mirrors(entry.table))]
        known = known if self._is_same(final / "table", table) else known[1:]
        with disk.under_way() as partial:
            fetched = self._copy(source, table, partial / "mirror", known)
            self._place(partial / "mirror", partial, final, entry.table)
        return self._begun(entry), fetched

    def begin_again(self, entry: CacheEntry) -> Sandbox:
        """Begin a sandbox anew with what it began as, which needs no server. Hold its lock."""
        final = self.sandbox_folder(entry)
        with disk.under_way() as partial:
            self._place(final / "base", partial, final, entry.table)
        return self._begun(entry)

    def remove_sandbox(self, entry: CacheEntry) -> None:
        """Take a sandbox away. Hold its lock."""
        disk.take_away(self.sandbox_folder(entry))

    def redirect(self, entry: CacheEntry) -> TableLocation:
        """A redirected table: a file of another format is read into a table when it changes."""
        path = entry.path
        if path is None or not path.exists():
            raise ConfigurationError(
                f"{entry.table} is redirected to {str(path)!r}, which is not there.",
                hint=f"Mend the path in {entry.file}.",
            )
        if path.is_dir():
            return TableLocation(entry.table, str(path))
        found = path.stat()
        stamp = (path, found.st_mtime_ns, found.st_size, found.st_ino)
        final = disk.redirect_folder(*stamp)
        if not final.is_dir():
            with disk.under_way() as partial:
                read = TableLocation(entry.table, str(partial / "table"))
                push_table(lambda: read, path, by=str(entry.file))
                disk.publish(partial / "table", final)
        return TableLocation(entry.table, str(final))

    def describe(self, entry: CacheEntry, fetched: Fetched = NOTHING) -> CachedTable:
        """What stands on the disk for an entry."""
        told = CachedTable(
            space=entry.table.space,
            name=entry.table.name,
            mode=entry.mode,
            version=None,
            pinned=entry.version is not None,
            fetched_files=fetched.files,
            fetched_bytes=fetched.bytes,
            declared_in=str(entry.file),
        )
        if entry.mode == "redirect":
            return _with(told, folder=str(entry.path))
        if entry.mode == "ro":
            mirror = self.mirror(entry)
            return told if mirror is None else _filled(told, mirror)
        sandbox = self.sandbox(entry)
        if sandbox is None:
            return told
        filled = _filled(told, sandbox.table)
        return _with(filled, version=sandbox.version, commits=sandbox.commits)

    def is_here(self, entry: CacheEntry) -> bool:
        """Whether a table can be read without its server."""
        if entry.mode == "redirect":
            return True
        found = self.mirror(entry) if entry.mode == "ro" else self.sandbox(entry)
        return found is not None

    def sandbox_folder(self, entry: CacheEntry) -> Path:
        return disk.sandbox_folder(self._backend.location, str(entry.table), entry.file)

    def _mirrors(self, table: Name) -> Path:
        return disk.mirror_folder(self._backend.location, str(table))

    def _opened(self, name: Name, version: int | None) -> tuple[Source, DeltaTable]:
        location = self._backend.locate(name, Operation.READ)
        table = open_snapshot(location, version)
        return Source(location, self._backend.reading_store(name)), table

    def _copy(
        self, source: Source, table: DeltaTable, target: Path, known: Sequence[Path]
    ) -> Fetched:
        return mirror_snapshot(source, table, target, known=known, link=self._link)

    def _place(self, base: Path, partial: Path, final: Path, name: Name) -> None:
        make_sandbox(base, partial / "sandbox", self._link)
        note_origin(partial / "sandbox", name)
        if final.is_dir():
            disk.take_away(final)
        disk.publish(partial / "sandbox", final)

    def _begun(self, entry: CacheEntry) -> Sandbox:
        sandbox = self.sandbox(entry)
        if sandbox is None:
            raise UnavailableError(f"The sandbox of {entry.table} was removed at once.")
        return sandbox

    def _link(self, source: Path, target: Path) -> None:
        partial = f"{target}.{time.monotonic_ns()}"
        self._linker.link(str(source), str(target), partial, source.stat().st_size)

    def _drop_others(self, folder: Path, table: DeltaTable) -> None:
        """A table that was dropped and made anew has nothing to do with the old one's mirrors."""
        for place in disk.known_folders(folder):
            if not self._is_same(place, table):
                disk.take_away(place)

    def _is_same(self, place: Path, table: DeltaTable) -> bool:
        if not (place / "_delta_log").is_dir():
            return False
        found: bool = DeltaTable(str(place)).metadata().id == table.metadata().id
        return found


def _filled(told: CachedTable, location: TableLocation) -> CachedTable:
    table = open_snapshot(location)
    files = data_files(table, location.name)
    return _with(
        told,
        version=table.version(),
        files=len(files),
        bytes=sum(files.values()),
        folder=location.uri,
    )


def _with(told: CachedTable, **values: Any) -> CachedTable:
    return msgspec.structs.replace(told, **values)
