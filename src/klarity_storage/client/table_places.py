"""Where a table is read and written: at its reference, or where ``.safenai`` says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from klarity_storage.cache.tables import sandbox_lock
from klarity_storage.client.cache_entries import CacheEntry, find_entry
from klarity_storage.client.connection import Connection
from klarity_storage.client.references import table_name
from klarity_storage.client.table import Table
from klarity_storage.errors import (
    ConflictError,
    InvalidInputError,
    UnavailableError,
    VersionNotFoundError,
)
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import TableInfo

if TYPE_CHECKING:
    from klarity_storage.client.cached_tables import CachedTables
    from klarity_storage.tables.location import Locate, TableLocation
    from klarity_storage.tables.sandbox import Sandbox

_LOG: Final = logging.getLogger("klarity_storage")

_said: set[tuple[str, str, str]] = set()
"""What this process has said already."""

_WHOLE: Final = {Operation.VACUUM, Operation.DROP}
"""What is done to a table that others see, and to no sandbox."""


class TablePlaces(Connection):
    """The one place that knows where a table lies for this caller."""

    @cached_property
    def _cached(self) -> CachedTables:
        from klarity_storage.client.cached_tables import CachedTables  # noqa: PLC0415 - loads Delta

        return CachedTables(self._backend)

    def _entry(self, table: Name) -> CacheEntry | None:
        return find_entry(table, self._folder, self.location)

    def _place_to_read(
        self, table: Name, version: int | None = None, timestamp: datetime | None = None
    ) -> TableLocation:
        """Where a version of a table is read; what is not on this disk is the reference's."""
        entry = self._entry(table)
        if entry is None:
            return self._backend.locate(table, Operation.READ)
        found = self._on_disk(entry, version, timestamp)
        if found is not None:
            _say(entry)
            return found
        try:
            return self._backend.locate(table, Operation.READ)
        except UnavailableError as error:
            wanted = f"version {version}" if timestamp is None else f"a version of {timestamp}"
            raise UnavailableError(
                f"{self.location} does not answer, and what this disk has of {table} "
                f"is not {wanted}.",
                hint="ks table cached shows which version is here.",
            ) from error

    def _describe(self, table: Name) -> TableInfo:
        """What a table holds, where it is read."""
        if self._entry(table) is None:
            return self._backend.table(table)
        from klarity_storage.tables.describe import describe_table  # noqa: PLC0415 - loads Delta

        return describe_table(self._place_to_read(table))

    def _on_disk(
        self, entry: CacheEntry, version: int | None, timestamp: datetime | None
    ) -> TableLocation | None:
        if entry.mode == "redirect":
            return self._cached.redirect(entry)
        if entry.mode == "sandbox":
            sandbox = self._sandbox(entry)
            return sandbox.table if _holds(sandbox, version, timestamp) else None
        if timestamp is not None:
            return None
        if version is not None:
            return self._cached.mirrored(entry, version)
        return self._cached.mirror(entry) or self._cached.refresh(entry)[0]

    def _sandbox(self, entry: CacheEntry) -> Sandbox:
        """The sandbox of an entry, which begins when it is first used."""
        found = self._cached.sandbox(entry)
        if found is not None:
            return found
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            return self._cached.sandbox(entry) or self._cached.begin(entry)[0]

    @contextmanager
    def _to_write(self, table: Table | str, operation: Operation) -> Iterator[Locate]:
        """Where a table's rows are changed; a sandbox stays the same one while the block runs."""
        entry = self._entry(name_of(table))
        if entry is None or entry.mode != "sandbox":
            yield self._locating(table, operation)
            return
        self._sandbox(entry)
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=False):
            sandbox = self._cached.sandbox(entry)
            if sandbox is None:
                raise ConflictError(f"The sandbox of {entry.table} was taken away just now.")
            _say(entry)
            yield lambda: sandbox.table

    def _check_at_reference(self, table: Name) -> None:
        """Refuse what would change the reference of a table that is written elsewhere here."""
        entry = self._entry(table)
        if entry is not None and entry.mode != "ro":
            raise InvalidInputError(
                f"{table} is not written to from here, and its rows' binaries have no other place "
                f"({entry.mode} in {entry.file}).",
                hint="Work in another folder, or take the entry out first: ks table uncache.",
            )

    def _locating(self, table: Table | str, operation: Operation) -> Locate:
        """Where a table's own log is: a mirror has none, and nothing is written into it."""
        name = name_of(table)
        entry = self._entry(name)
        if entry is None or entry.mode == "ro":
            return lambda: self._backend.locate(name, operation)
        _check_taken(entry, operation)
        found = self._on_disk(entry, None, None)
        assert found is not None  # noqa: S101 - without a version there always is one
        _say(entry)
        return lambda: found


def name_of(table: Table | str) -> Name:
    """The name of a table that was given as such, or as text."""
    return table.name if isinstance(table, Table) else table_name(table)


def _holds(sandbox: Sandbox, version: int | None, timestamp: datetime | None) -> bool:
    """Whether a sandbox has a version: its own commits follow the one that it began as."""
    if version is not None:
        return version >= sandbox.version
    if timestamp is None:
        return True
    from klarity_storage.tables.snapshot import open_snapshot  # noqa: PLC0415 - loads Delta

    try:
        open_snapshot(sandbox.table, timestamp=timestamp)
    except VersionNotFoundError:
        return False
    return True


def _check_taken(entry: CacheEntry, operation: Operation) -> None:
    if entry.mode == "redirect" and operation is not Operation.READ:
        raise InvalidInputError(
            f"{entry.table} is redirected to {entry.path}, and is not written to.",
            hint=f"Take the entry out of {entry.file} to write to the table itself.",
        )
    if operation in _WHOLE:
        raise InvalidInputError(
            f"{entry.table} is a sandbox here, which is neither vacuumed nor dropped.",
            hint=f"ks table discard {entry.table}, or ks table uncache {entry.table}.",
        )


def _say(entry: CacheEntry) -> None:
    """Say once in a process that a table is not read where others read it."""
    key = (str(entry.table), entry.mode, str(entry.file))
    if key in _said:
        return
    _said.add(key)
    told = {
        "ro": f"is read from its mirror on this disk; ks table cache {entry.table} refreshes it",
        "sandbox": f"is a sandbox on this disk; ks table promote {entry.table} shares its changes",
        "redirect": f"is read from {entry.path}",
    }
    _LOG.info("%s %s (%s).", entry.table, told[entry.mode], entry.file)
