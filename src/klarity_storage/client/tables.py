"""The part of ``Storage`` that reads and writes tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from klarity_storage.client.connection import ALL
from klarity_storage.client.references import table_name
from klarity_storage.client.table import Table
from klarity_storage.client.table_places import name_of
from klarity_storage.client.table_upkeep import TableUpkeep
from klarity_storage.errors import TableNotFoundError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import TableInfo, TableName

if TYPE_CHECKING:
    import datafusion

    from klarity_storage.tables.location import TableLocation

Mode = Literal["append", "overwrite", "merge", "error"]

_LOGS = 8
"""Tables whose logs are read at once."""


class Tables(TableUpkeep):
    """What ``Storage`` does with tables."""

    def get_data_tables(
        self,
        space: str = ALL,
        name: str | None = None,
        *,
        columns: Collection[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> list[TableName]:
        """Find tables, by what they are called and what they hold.

        Args:
            space: of which space; of all without it.
            name: a glob such as ``run*``.
            columns: names of columns that a table has, all of them.
            metadata: what its metadata says; more than that is fine.

        Example:
            >>> storage.get_data_tables(metadata={"team": "eyes"})  # doctest: +SKIP
        """
        found = [
            table
            for table in self._everywhere(space, self._backend.tables)
            if name is None or fnmatchcase(table.name, name)
        ]
        if columns or metadata:
            # only a table's log says what it holds; waiting for several at once
            with ThreadPoolExecutor(_LOGS, "ks-tables") as pool:
                infos = pool.map(self._found, found)
                found = [
                    table
                    for table, info in zip(found, infos, strict=True)
                    if info is not None and _holds(info, columns, metadata or {})
                ]
        return [TableName(space=table.space, name=table.name) for table in found]

    def _found(self, table: Name) -> TableInfo | None:
        try:
            return self._backend.table(table)
        except TableNotFoundError:
            return None  # it was dropped meanwhile

    def get_data_table(self, space: str, name: str | None = None) -> Table:
        """A table, by ``("vision", "runs")`` or ``"vision/tables/runs"``."""
        table = table_name(space) if name is None else Name(space, Kind.TABLES, name)
        return Table(self._describe(table))

    def set_comments(self, table: Table | str, comments: Mapping[str, str]) -> Table:
        """Say what columns of a table mean: ``{"score": "IoU on the test split"}``.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            InvalidQueryError: there is no such column; nothing was changed.
        """
        from klarity_storage.tables.comments import set_comments  # noqa: PLC0415 - loads Delta

        with self._to_write(table, Operation.WRITE) as locate:
            return Table(set_comments(locate, comments, by=self._principal()))

    def get_data_frame(
        self,
        table: Table | str,
        *filters: Any,
        columns: list[str] | None = None,
        version: int | None = None,
        timestamp: datetime | None = None,
        limit: int | None = None,
        context: datafusion.SessionContext | None = None,
    ) -> datafusion.DataFrame:
        """The rows of a table, lazily: nothing is fetched before they are collected.

        Args:
            table: a table, or ``vision/tables/runs``.
            filters: SQL text (``"score > 0.9"``) or DataFusion expressions; all must hold.
            columns: which columns; all without it.
            version: which version of the table; the newest without it.
            timestamp: the version of that time, with its zone.
            limit: at most so many rows.
            context: a session of yours, with functions of yours; frames of one can be joined.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            InvalidQueryError: a filter or column does not fit.
        """
        from klarity_storage.tables.scan import scan  # noqa: PLC0415 - loads DataFusion

        return scan(
            self._place_to_read(name_of(table), version, timestamp),
            *filters,
            columns=columns,
            version=version,
            timestamp=timestamp,
            limit=limit,
            context=context,
        )

    def sql(
        self, query: str, *, context: datafusion.SessionContext | None = None
    ) -> datafusion.DataFrame:
        """Ask one question of one or several tables: ``select count(*) from vision.runs``.

        Raises:
            InvalidQueryError: the SQL cannot be read, or would change something.
            TableNotFoundError: there is no such table, or the caller may not see it.
        """
        from klarity_storage.tables.sql import sql  # noqa: PLC0415 - loads DataFusion

        def locate(space: str, table: str) -> TableLocation:
            return self._place_to_read(Name(space, Kind.TABLES, table))

        return sql(query, locate, context)

    def push_data_frame(
        self,
        table: Table | str,
        data: Any,
        *,
        mode: Mode = "append",
        keys: Sequence[str] = (),
        where: str | None = None,
        partition_by: Sequence[str] = (),
        evolve: bool = False,
        types: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        message: str = "",
        lineage: Sequence[str] = (),
        description: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Table:
        """Write rows into a table, in one commit; the table is created when it is not there.

        Args:
            table: a table, or ``vision/tables/runs``.
            data: the path of a CSV, JSON lines or Parquet file (it streams), pandas, Polars,
                PyArrow, NumPy, a DataFusion frame, a dict of columns, rows as dicts, or anything
                with ``__arrow_c_stream__``.
            mode: ``append``; ``overwrite`` replaces rows and takes an owner; ``merge`` updates the
                rows whose keys are there and inserts the others; ``error`` fails when the table is
                there.
            keys: the columns that tell one row from another, for ``merge``: never null, and no two
                rows of the data alike.
            where: which rows ``overwrite`` replaces, in SQL; the new ones must be such, too.
            partition_by: the columns of a new table by whose values its files lie apart.
            evolve: whether the data may bring new columns and lack others; with ``overwrite`` of
                all rows, whether the columns may be any.
            types: of columns, Arrow's or their names: ``{"id": "int64"}``.
            columns: the names of a two-dimensional NumPy array's columns.
            message: why, in one line.
            lineage: references of what the rows were made from; tags are replaced by what they
                stand for.
            description: of the table.
            metadata: of the table: what it says beside its description.

        Raises:
            SchemaMismatchError: columns or types do not fit the table; nothing is written.
            InvalidDataError: the data cannot be read, or breaks a rule; nothing is committed.
            ConflictError: somebody else was first; it says who did what.
        """
        from klarity_storage.tables.push import push_table  # noqa: PLC0415 - loads Delta

        operation = Operation.OVERWRITE if mode == "overwrite" else Operation.WRITE
        signature = self._signature(message, lineage)
        with self._to_write(table, operation) as locate:
            info = push_table(
                locate,
                data,
                by=signature.by,
                mode=mode,
                keys=keys,
                where=where,
                partition_by=partition_by,
                evolve=evolve,
                types=types,
                columns=columns,
                message=message,
                lineage=signature.lineage,
                description=description,
                metadata=metadata,
            )
        return Table(info)


def _holds(info: TableInfo, columns: Collection[str], metadata: Mapping[str, str]) -> bool:
    return {column.name for column in info.columns}.issuperset(columns) and (
        metadata.items() <= info.metadata.items()
    )
