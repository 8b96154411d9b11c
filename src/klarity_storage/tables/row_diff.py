"""Which rows differ between a sandbox and what it began as.

Only files that one of the two has alone are read: rows of shared files are the same. What is left
is compared as a multiset, by grouping equal rows (DataFusion's ``EXCEPT ALL`` drops duplicates), in
a session with bounded memory, which spills to the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa
from datafusion import DataFrame, RuntimeEnvBuilder, SessionContext, col, lit
from deltalake import DeltaTable

from klarity_storage.errors import InvalidDataError, InvalidQueryError
from klarity_storage.protocol.tables import TableDiff
from klarity_storage.tables.changes import FileChanges
from klarity_storage.tables.context import prepare
from klarity_storage.tables.delta_types import widens
from klarity_storage.tables.files import open_files
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.log_entries import object_path
from klarity_storage.tables.promote import sandbox_changes
from klarity_storage.tables.queries import told_as_query
from klarity_storage.tables.sandbox import Sandbox
from klarity_storage.tables.scan import open_frame
from klarity_storage.tables.snapshot import open_snapshot

_MEMORY: Final = 1 << 30
_TIMES: Final = "_times"
"""How often a row is there: below zero, how often it was there."""


class RowDiff:
    """The rows that a sandbox added, removed and changed; the frames are lazy.

    Args:
        sandbox: whose rows.
        keys: columns that tell which row is which; without them no row is "changed", but one
            removed and one added.
    """

    def __init__(self, sandbox: Sandbox, keys: Sequence[str] = ()) -> None:
        self.keys = list(keys)
        self._name = sandbox.name
        self._session = _bounded()
        old, new = open_snapshot(sandbox.base), open_snapshot(sandbox.table)
        before, after = _schema(old), _schema(new)
        self._columns = _compared(before, after)
        for key in self.keys:
            _check_key(key, self._columns.names)
        frames = _frames(self._session, sandbox, old, new, sandbox_changes(sandbox))
        for name, frame in zip(("old", "new"), frames, strict=True):
            self._session.register_view(name, _as(frame, self._columns))
        self._register()
        self._empty = TableDiff(
            space=sandbox.name.space,
            name=sandbox.name.name,
            base=old.version(),
            commits=new.version() - old.version(),
            keys=self.keys,
            added=0,
            removed=0,
            changed=0,
            new_columns=[name for name in after.names if name not in before.names],
            lost_columns=[name for name in before.names if name not in after.names],
        )

    def _register(self) -> None:
        every = _listed(self._columns.names)
        self._view(
            "differing",
            f"SELECT {every}, sum(t) AS {_TIMES} FROM (SELECT {every}, 1 AS t FROM new "
            f"UNION ALL SELECT {every}, -1 AS t FROM old) GROUP BY {every} HAVING sum(t) <> 0",
        )
        self._view("plus", f"SELECT * FROM differing WHERE {_TIMES} > 0")
        self._view("minus", f"SELECT * FROM differing WHERE {_TIMES} < 0")

    def summary(self) -> TableDiff:
        """How many rows differ.

        Raises:
            InvalidDataError: several rows have the same keys.
        """
        with told_as_query("the difference", self._columns.names):
            added, removed, changed = self._counts()
        return msgspec.structs.replace(self._empty, added=added, removed=removed, changed=changed)

    def added(self) -> DataFrame:
        """Rows that are new; with keys, those whose keys are."""
        return self._alone("plus", "minus")

    def removed(self) -> DataFrame:
        """Rows that are gone; with keys, those whose keys are."""
        return self._alone("minus", "plus")

    def changed(self) -> DataFrame:
        """Rows whose keys stayed: the columns ``before`` and ``after`` hold the row as a struct."""
        before, after = (_struct(side, self._columns.names) for side in ("m", "p"))
        matched = (
            f"JOIN minus m ON {self._same('p', 'm')}" if self.keys else "JOIN minus m ON false"
        )
        return self._session.sql(
            f"SELECT {before} AS before, {after} AS after FROM plus p {matched}"
        )

    def _counts(self) -> tuple[int, int, int]:
        if not self.keys:
            query = (
                f"SELECT sum(CASE WHEN {_TIMES} > 0 THEN {_TIMES} END), "
                f"-sum(CASE WHEN {_TIMES} < 0 THEN {_TIMES} END), 0, 1 FROM differing"
            )
        else:
            query = (
                "SELECT sum(p) FILTER (WHERE m = 0), sum(m) FILTER (WHERE p = 0), "
                "count(*) FILTER (WHERE p > 0 AND m > 0), max(greatest(p, m)) FROM ("
                f"SELECT coalesce(sum({_TIMES}) FILTER (WHERE {_TIMES} > 0), 0) AS p, "
                f"-coalesce(sum({_TIMES}) FILTER (WHERE {_TIMES} < 0), 0) AS m "
                f"FROM differing GROUP BY {_listed(self.keys)})"
            )
        row = pa.table(self._session.sql(query)).to_pylist()[0]
        added, removed, changed, most = (value or 0 for value in row.values())
        if self.keys and most > 1:
            raise InvalidDataError(
                f"Several rows of {self._name} that differ have the same {', '.join(self.keys)}.",
                hint="Give columns that tell rows apart, or none.",
            )
        return added, removed, changed

    def _alone(self, side: str, other: str) -> DataFrame:
        every = _listed(self._columns.names)
        repeated = f"SELECT *, unnest(range(0, abs({_TIMES}))) FROM {side}"
        if self.keys:
            without = f"LEFT ANTI JOIN {other} o ON {self._same('s', 'o')}"
            repeated = f"SELECT s.*, unnest(range(0, abs(s.{_TIMES}))) FROM {side} s {without}"
        return self._session.sql(f"SELECT {every} FROM ({repeated})")

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(
            f"({one}.{_quoted(key)} IS NOT DISTINCT FROM {other}.{_quoted(key)})"
            for key in self.keys
        )

    def _view(self, name: str, query: str) -> None:
        self._session.register_view(name, self._session.sql(query))


def _bounded() -> SessionContext:
    runtime = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(_MEMORY)
    return prepare(SessionContext(runtime=runtime))


def _frames(
    session: SessionContext,
    sandbox: Sandbox,
    old: DeltaTable,
    new: DeltaTable,
    changes: FileChanges,
) -> tuple[DataFrame, DataFrame]:
    frames = []
    for table, location, files in (
        (old, sandbox.base, changes.removed),
        (new, sandbox.table, changes.added),
    ):
        uris = [f"{location.uri}/{object_path(path)}" for path, _ in files]
        frame = open_files(session, location, table, _schema(table), uris)
        if frame is None:  # deletion vectors, partitions and the like: all rows of both
            return _whole(session, sandbox.base, old), _whole(session, sandbox.table, new)
        frames.append(frame)
    return frames[0], frames[1]


def _whole(session: SessionContext, location: TableLocation, table: DeltaTable) -> DataFrame:
    return open_frame(session, location, table, _schema(table))


def _schema(table: DeltaTable) -> pa.Schema:
    return pa.schema(table.schema().to_arrow())


def _compared(before: pa.Schema, after: pa.Schema) -> pa.Schema:
    for field in before:
        if field.name in after.names and not widens(field.type, after.field(field.name).type):
            raise InvalidDataError(
                f"The column {field.name!r} was {field.type}, and is "
                f"{after.field(field.name).type} now: the rows cannot be compared."
            )
    lost = [field for field in before if field.name not in after.names]
    return pa.schema([*after, *lost])


def _as(frame: DataFrame, columns: pa.Schema) -> DataFrame:
    names = frame.schema().names
    return frame.select(
        *(
            (col(_quoted(field.name)) if field.name in names else lit(None))
            .cast(field.type)
            .alias(field.name)
            for field in columns
        )
    )


def _check_key(key: str, columns: list[str]) -> None:
    if key not in columns:
        raise InvalidQueryError(
            f"There is no column {key!r}{nearest(key, columns)}.",
            hint=f"The columns are {', '.join(columns)}.",
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _struct(side: str, names: Sequence[str]) -> str:
    fields = (f"'{name.replace(chr(39), chr(39) * 2)}', {side}.{_quoted(name)}" for name in names)
    return f"named_struct({', '.join(fields)})"
