"""The part of ``Storage`` that looks after tables: delete rows, restore, optimize, vacuum, drop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import structs

from klarity_storage.client.raw_binaries import RawBinaries
from klarity_storage.client.table import Table
from klarity_storage.layout import Kind, Reference
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import (
    Dropped,
    Optimized,
    RowsDeleted,
    TableVersion,
    Vacuumed,
)

if TYPE_CHECKING:
    from klarity_storage.tables.commit import Signature


class TableUpkeep(RawBinaries):
    """What ``Storage`` does with tables that are there."""

    def get_table_history(
        self, table: Table | str, *, limit: int | None = None
    ) -> list[TableVersion]:
        """Who changed a table, when, by what, why and from what, newest first.

        Args:
            table: a table, or ``vision/tables/runs``.
            limit: at most so many versions.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
        """
        from klarity_storage.tables.history import read_history  # noqa: PLC0415 - loads Delta

        return read_history(self._locating(table, Operation.READ)(), limit)

    def delete_rows(
        self, table: Table | str, where: str, *, raw_binaries: bool = False, message: str = ""
    ) -> RowsDeleted:
        """Delete the rows for which a condition holds; those for which it is null stay.

        The rows stay in older versions of the table until it is vacuumed.

        Args:
            table: a table, or ``vision/tables/runs``.
            where: SQL on the table's columns: ``"score < 0.5"``; ``"true"`` means every row.
            raw_binaries: whether the binaries of rows that are gone then are deleted too. They do
                not come back with `restore`.
            message: why, in one line.

        Raises:
            InvalidQueryError: the condition does not fit the table.
            InvalidInputError: the binaries are to go, and the table does not say which column its
                rows are known by; nothing was deleted.
            ConflictError: somebody else changed the same rows; it says who.
            ForbiddenError: the caller is no owner of the table.
        """
        from klarity_storage.tables.delete import delete_rows  # noqa: PLC0415 - loads Delta

        known = self._rows_with_binaries(table, where) if raw_binaries else set()
        with self._to_write(table, Operation.OVERWRITE) as locate:
            done = delete_rows(locate, where, self._signature(message))
        if not known:
            return done
        gone = known - self._rows_with_binaries(table)  # another row may be known by the same value
        return structs.replace(done, raw_binaries=self.delete_raw_binary(table, gone))

    def restore(
        self,
        table: Table | str,
        *,
        version: int | None = None,
        timestamp: datetime | None = None,
        message: str = "",
    ) -> Table:
        """Make a table what it was at a version or a time; what came since stays in its history.

        Raises:
            VersionNotFoundError: there is no such version, or its files were vacuumed.
            ForbiddenError: the caller is no owner of the table.
        """
        from klarity_storage.tables.restore import restore_table  # noqa: PLC0415 - loads Delta

        with self._to_write(table, Operation.OVERWRITE) as locate:
            return Table(restore_table(locate, version, timestamp, self._signature(message)))

    def optimize(
        self, table: Table | str, *, z_order: Sequence[str] = (), message: str = ""
    ) -> Optimized:
        """Lay a table's small files together; its rows stay the same.

        Args:
            table: a table, or ``vision/tables/runs``.
            z_order: columns that filters are often on: rows with near values come to lie in the
                same file, and the whole table is written anew.
            message: why, in one line.

        Raises:
            ConflictError: somebody else removed rows meanwhile; appends are no conflict.
            ForbiddenError: the caller is no writer of the table.
        """
        from klarity_storage.tables.optimize import optimize_table  # noqa: PLC0415 - loads Delta

        with self._to_write(table, Operation.WRITE) as locate:
            return optimize_table(locate, z_order, self._signature(message))

    def vacuum(
        self,
        table: Table | str,
        *,
        keep: timedelta | None = None,
        dry_run: bool = True,
        force: bool = False,
        message: str = "",
    ) -> Vacuumed:
        """List the files that only old versions need; delete them without ``dry_run``.

        Those versions can then not be read any more; who did what stays in the history.

        Args:
            table: a table, or ``vision/tables/runs``.
            keep: how far back versions stay readable; as the table says without it, a week mostly.
            dry_run: only list.
            force: whether ``keep`` may be less than the table says: writes that are under way and
                readers of older versions may lose their files.
            message: why, in one line.

        Raises:
            InvalidInputError: ``keep`` is less than the table says.
            ForbiddenError: the caller is no owner of the table.
        """
        from klarity_storage.tables.vacuum import vacuum_table  # noqa: PLC0415 - loads Delta

        locate = self._locating(table, Operation.VACUUM)
        return vacuum_table(locate, keep, self._signature(message), dry_run=dry_run, force=force)

    def drop_table(self, table: Table | str, *, dry_run: bool = True) -> Dropped:
        """Count the objects of a table and of its rows' binaries; delete them without ``dry_run``.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            ForbiddenError: the caller is no owner of the table.
        """
        from klarity_storage.tables.drop import drop_table  # noqa: PLC0415 - loads Delta

        return drop_table(self._locating(table, Operation.DROP), dry_run=dry_run)

    def _signature(self, message: str, lineage: Sequence[str] = ()) -> Signature:
        from klarity_storage.tables.commit import Signature  # noqa: PLC0415 - loads Delta

        return Signature(self._principal(), message, tuple(map(self._pinned_too, lineage)))

    def _pinned_too(self, reference: str) -> str:
        """A reference that means the same for ever, a table's by the number of its version."""
        parsed = Reference.parse(reference)
        if parsed.name.kind is not Kind.TABLES or parsed.selector is not None:
            return self._pinned(reference)
        return f"{parsed.name}@{self._backend.table(parsed.name).version}"
