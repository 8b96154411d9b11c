"""The part of ``Storage`` that keeps tables on this disk: mirrors, and sandboxes to write into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from klarity_storage.cache.tables import sandbox_lock
from klarity_storage.client.cache_entries import (
    CacheEntry,
    all_entries,
    counts_at,
    entries_of,
    file_to_write,
    remove_entry,
    write_entry,
)
from klarity_storage.client.table import Table
from klarity_storage.client.table_places import name_of
from klarity_storage.client.tables import Tables
from klarity_storage.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import CachedTable

if TYPE_CHECKING:
    from klarity_storage.tables.row_diff import RowDiff
    from klarity_storage.tables.sandbox import Sandbox

CacheMode = Literal["ro", "sandbox"]


class TableCache(Tables):
    """What ``Storage`` does with tables on this disk."""

    def cache_table(
        self, table: Table | str, mode: CacheMode = "ro", version: int | None = None
    ) -> CachedTable:
        """Keep a table on this disk, where it is read from now on; again, it is refreshed.

        The choice is written into the nearest ``.safenai``, so other processes follow it at once.
        A mirror (``ro``) is only read: what is written goes to the reference, and is seen after
        a refresh. A sandbox takes writes, and nobody else sees them before ``promote_table``.
        Only files that are not here yet are fetched. A sandbox with changes stays as it is.

        Args:
            table: a table, or ``vision/tables/runs``.
            mode: ``ro`` or ``sandbox``.
            version: of a mirror: it is pinned to that version; of a sandbox: what it begins as.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            ConflictError: a sandbox with changes would be lost.

        Example:
            >>> import klarity_storage as ks, contextlib, tempfile
            >>> with contextlib.chdir(tempfile.mkdtemp()):
            ...     storage = ks.connect("./store")
            ...     table = storage.push_data_frame("vision/tables/runs", {"id": [1, 2]})
            ...     cached = storage.cache_table(table, mode="sandbox")
            ...     table = storage.push_data_frame(table, {"id": [3]})
            ...     storage.diff_table(table).summary().added
            1
            >>> storage.promote_table(table, message="one more").info.rows
            3
        """
        if mode not in get_args(CacheMode):
            raise InvalidInputError(
                f"{mode!r} is not a mode of cache_table.", hint="The modes are ro and sandbox."
            )
        name = name_of(table)
        file = file_to_write(self._folder)
        if file.is_file() and not counts_at(file, self.location):
            raise ConfigurationError(
                f"{file} is of another server than {self.location}.",
                hint="Work in another folder, with a .safenai of its own.",
            )
        old = entries_of(file).get(name) if file.is_file() else None
        if old is not None and old.mode == "redirect":
            raise InvalidInputError(
                f"{name} is redirected to {old.path}.", hint=f"Take the entry out of {file} first."
            )
        if mode == "ro":
            return self._keep_mirror(CacheEntry(name, "ro", file, version))
        return self._keep_sandbox(CacheEntry(name, "sandbox", file), version)

    def uncache_table(self, table: Table | str) -> None:
        """Read and write a table at its reference again.

        Raises:
            ConflictError: it is a sandbox with changes: promote or discard them first.
            InvalidInputError: the table is not cached here.
        """
        entry = self._entry(name_of(table))
        if entry is None or entry.mode == "redirect":
            raise InvalidInputError(
                f"{name_of(table)} is not cached here.", hint="ks table cached lists what is."
            )
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            self._check_unchanged(entry)
            remove_entry(entry)
            self._cached.remove_sandbox(entry)
        self._cached.forget_mirror(entry)

    def get_cached_tables(self) -> list[CachedTable]:
        """The tables that are not read at their reference here, as the ``.safenai`` files say."""
        found = all_entries(self._folder, self.location)
        return [self._cached.describe(entry) for entry in found]

    def has_tables_here(self) -> bool:
        """Whether there is any table that can be read without the server."""
        found = all_entries(self._folder, self.location)
        return any(self._cached.is_here(entry) for entry in found)

    def diff_table(self, table: Table | str, keys: Sequence[str] | None = None) -> RowDiff:
        """What differs between a sandbox and the version that it began as.

        Args:
            table: a table that is a sandbox here.
            keys: columns that tell which row is which; without them no row is "changed", but one
                removed and one added.

        Returns:
            ``summary()`` counts; ``added()``, ``removed()`` and ``changed()`` are lazy frames.

        Raises:
            InvalidInputError: it is no sandbox here.
        """
        from klarity_storage.tables.row_diff import RowDiff  # noqa: PLC0415 - loads DataFusion

        return RowDiff(self._sandbox(self._sandbox_entry(table)), keys or ())

    def discard_table(self, table: Table | str) -> CachedTable:
        """Throw a sandbox's changes away: it begins anew, with the table as it is now.

        Without the server it begins with what it began as.

        Raises:
            InvalidInputError: it is no sandbox here.
        """
        entry = self._sandbox_entry(table)
        self._sandbox(entry)
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            try:
                _, fetched = self._cached.begin(entry)
            except (UnavailableError, NotFoundError):
                self._cached.begin_again(entry)
                return self._cached.describe(entry)
        return self._cached.describe(entry, fetched)

    def promote_table(
        self, table: Table | str, *, message: str = "", lineage: Sequence[str] = ()
    ) -> Table:
        """Commit a sandbox's changes to its reference, at once; the sandbox then begins anew.

        Appends, merges, compacting and comments take a writer, all other changes an owner.

        Args:
            table: a table that is a sandbox here.
            message: why, in one line.
            lineage: references of what the rows were made from.

        Raises:
            ConflictError: the table has moved on in a way that excludes the changes.
            InvalidInputError: nothing was changed, or it is no sandbox here.
            ForbiddenError: the caller may not write to the table.
        """
        entry = self._sandbox_entry(table)
        self._sandbox(entry)
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            self._promote(self._cached.sandbox(entry), message, lineage)
            self._cached.begin(entry)
        return Table(self._backend.table(entry.table))

    def _promote(self, sandbox: Sandbox | None, message: str, lineage: Sequence[str]) -> None:
        from klarity_storage.tables.promote import promote, sandbox_changes  # noqa: PLC0415

        if sandbox is None:
            raise ConflictError("The sandbox was taken away by another process.")
        plain = sandbox_changes(sandbox).only_merges
        operation = Operation.WRITE if plain else Operation.OVERWRITE
        signature = self._signature(message, lineage)
        promote(
            sandbox,
            lambda: self._backend.locate(sandbox.name, operation),
            by=signature.by,
            message=message,
            info={"lineage": list(signature.lineage)} if signature.lineage else {},
        )

    def _keep_mirror(self, entry: CacheEntry) -> CachedTable:
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            self._check_unchanged(entry)
            _, fetched = self._cached.refresh(entry)
            write_entry(entry)
            self._cached.remove_sandbox(entry)
        return self._cached.describe(entry, fetched)

    def _keep_sandbox(self, entry: CacheEntry, version: int | None) -> CachedTable:
        with sandbox_lock(self._cached.sandbox_folder(entry), alone=True):
            found = self._cached.sandbox(entry)
            if found is None or not found.commits:
                _, fetched = self._cached.begin(entry, version)
                write_entry(entry)
                self._cached.forget_mirror(entry)
                return self._cached.describe(entry, fetched)
            if version not in {None, found.version}:
                self._check_unchanged(entry)
            write_entry(entry)
        return self._cached.describe(entry)

    def _sandbox_entry(self, table: Table | str) -> CacheEntry:
        name = name_of(table)
        entry = self._entry(name)
        if entry is None or entry.mode != "sandbox":
            raise InvalidInputError(
                f"{name} is no sandbox here.", hint=f"ks table cache {name} --mode sandbox"
            )
        return entry

    def _check_unchanged(self, entry: CacheEntry) -> None:
        sandbox = self._cached.sandbox(entry)
        if sandbox is not None and sandbox.commits:
            raise ConflictError(
                f"The sandbox of {entry.table} has changes that are not promoted.",
                hint=f"ks table promote {entry.table}, or ks table discard {entry.table}.",
            )
