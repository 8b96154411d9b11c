"""SQL over the tables of several spaces, reading only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import pyarrow as pa
from datafusion import DataFrame, SessionContext
from datafusion.catalog import CatalogProvider, Schema, SchemaProvider, Table
from datafusion.context import SQLOptions

from klarity_storage.errors import InvalidQueryError
from klarity_storage.tables.context import prepare
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.queries import refused, told_as_query
from klarity_storage.tables.scan import open_frame
from klarity_storage.tables.snapshot import open_snapshot
from klarity_storage.tables.views import has_views, without_views

T = TypeVar("T")

Resolve = Callable[[str, str], TableLocation]
"""Finds the table of a space, by space and table name."""

_CATALOG = "datafusion"
_NO_SPACE = "public"
"""The schema that DataFusion gives a name without one."""

_WRITES = re.compile(
    r"\s*(alter|analyze|copy|create|delete|drop|grant|insert|load|merge|reset|set|truncate|update)\b",
    re.IGNORECASE,
)
"""For a plain answer only: what is allowed is decided by DataFusion's own reading of the query."""

_planning = Lock()


def sql(query: str, resolve: Resolve, context: SessionContext | None = None) -> DataFrame:
    """A question to tables named ``space.table``, as a lazy frame.

    Names that hold dots or dashes stand in double quotes: ``"my-space"."my.table"``. All tables are
    read as they are now, and nothing is fetched before the frame is collected.

    Raises:
        InvalidQueryError: the SQL cannot be read or planned, or would write or set something.
        TableNotFoundError: a table does not exist, or the keys do not reach it.
    """
    if writes := _WRITES.match(query):
        raise InvalidQueryError(
            f"{writes[1].upper()} would change something, and SQL here only reads.",
            hint="Ask with SELECT; ks table push writes.",
        )
    session = prepare(context)
    frames = {}
    columns: dict[str, None] = {}
    for space, name in table_names(query):
        if space == _NO_SPACE:
            raise InvalidQueryError(
                f"The table {name!r} is named without its space.", hint=f"Write space.{name}."
            )
        location = resolve(space, name)
        table = open_snapshot(location)
        schema = pa.schema(table.schema().to_arrow())
        columns.update(dict.fromkeys(schema.names))
        frames[space, name] = open_frame(session, location, table, schema)
    with told_as_query("the query", list(columns)):
        return _uninterrupted(lambda: _planned_without_views(session, query, frames))


def table_names(query: str) -> list[tuple[str, str]]:
    """The space and name of every table that a query reads, found by DataFusion's own parser.

    A session of its own resolves the names against a catalog that has nothing and writes down what
    it was asked for: so quoting, CTEs and subqueries are read as they will be when it counts.

    >>> table_names('select * from vision.runs join "my-space"."my.table" using (id)')
    [('my-space', 'my.table'), ('vision', 'runs')]

    Raises:
        InvalidQueryError: the SQL cannot be read.
    """
    return _uninterrupted(lambda: _asked_for(query))


def _uninterrupted(plan: Callable[[], T]) -> T:
    """What the planning gives, done on another thread, where no Ctrl-C meets it.

    DataFusion takes one in its question to the catalog for "not found", raises a SystemError for
    one in the optimizer, and one between the two would leave the tables under their names. Here it
    is raised when the planning, which fetches nothing, has ended.
    """
    with ThreadPoolExecutor(1, "ks-plan") as pool:
        return pool.submit(plan).result()


def _asked_for(query: str) -> list[tuple[str, str]]:
    asked: set[tuple[str, str]] = set()
    scratch = SessionContext()
    scratch.register_catalog_provider(_CATALOG, _Asked(asked))
    try:
        scratch.sql(query, options=_read_only())
    except Exception as error:
        if not asked:  # no table stands behind it, so the error is the query's own
            raise refused(error, "the query", []) from error
    return sorted(asked)


def _read_only() -> SQLOptions:
    return SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)


def _planned_without_views(
    session: SessionContext, query: str, frames: dict[tuple[str, str], DataFrame]
) -> DataFrame:
    frame = without_views(_planned(session, query, frames))
    if has_views(frame.schema()):  # of two columns with one name: let them never be views
        plain = {name: without_views(table) for name, table in frames.items()}
        frame = _planned(session, query, plain)
    return frame


def _planned(
    session: SessionContext, query: str, frames: dict[tuple[str, str], DataFrame]
) -> DataFrame:
    with _registered(session, frames):
        frame = session.sql(query, options=_read_only())
        frame.optimized_logical_plan()  # finds what the types do not allow
        return frame


@contextmanager
def _registered(
    session: SessionContext, frames: dict[tuple[str, str], DataFrame]
) -> Iterator[None]:
    """The tables under their names, while a query is planned: its plan then holds them itself."""
    catalog = session.catalog()
    with _planning:
        made = {space for space, _ in frames} - set(catalog.schema_names())
        for space in made:
            catalog.register_schema(space, Schema.memory_schema())
        try:
            for (space, name), frame in frames.items():
                catalog.schema(space).register_table(name, frame)
            yield
        finally:
            for space, name in frames:
                catalog.schema(space).deregister_table(name)
            for space in made:
                catalog.deregister_schema(space)


class _Asked(CatalogProvider):
    """A catalog that has nothing, and writes down which tables it was asked for."""

    def __init__(self, asked: set[tuple[str, str]]) -> None:
        self._asked = asked

    def schema_names(self) -> set[str]:
        return set()

    def schema(self, name: str) -> Schema | None:
        return _AskedSchema(name, self._asked)  # type: ignore[return-value]


class _AskedSchema(SchemaProvider):
    def __init__(self, space: str, asked: set[tuple[str, str]]) -> None:
        self._space = space
        self._asked = asked

    def table_names(self) -> set[str]:
        return set()

    def table(self, name: str) -> Table | None:
        self._asked.add((self._space, name))
        return None

    def table_exist(self, name: str) -> bool:
        self._asked.add((self._space, name))
        return False
