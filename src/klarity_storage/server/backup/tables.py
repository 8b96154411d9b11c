"""The tables that the migrations make, as a database has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
    func,
    inspect,
    select,
    text,
)

from klarity_storage.server.db.migrate import upgrade

_ALEMBIC: Final = "alembic_version"


def tables_of(connection: Connection, revision: str) -> list[Table]:
    """Our tables of a revision in a database that is of it, those that others refer to first.

    What else stands in the database is not ours.
    """
    metadata = MetaData()
    metadata.reflect(connection, only=sorted(_names_of(revision)))
    return metadata.sorted_tables


def drop_tables(connection: Connection, revision: str) -> None:
    """Drop our tables with what guards them, and the note which migrations were seen."""
    tables = tables_of(connection, revision)
    functions = _functions_of(connection, [table.name for table in tables])
    for table in reversed(tables):
        table.drop(connection)
    for function in functions:
        connection.execute(text(f"DROP FUNCTION {function}"))
    connection.execute(text(f"DROP TABLE {_ALEMBIC}"))


def to_lines(table: Table) -> Callable[[Sequence[Any]], list[Any]]:
    """What makes a row of that table a line of JSON."""
    times = {i for i, column in enumerate(table.columns) if isinstance(column.type, DateTime)}
    return lambda row: [_utc(value) if i in times else value for i, value in enumerate(row)]


def from_lines(table: Table, columns: Sequence[str]) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """What makes a line of JSON a row of that table.

    Raises:
        KeyError: the table has no such column.
    """
    kinds = [_kind(table.columns[name].type) for name in columns]

    def row(line: Sequence[Any]) -> dict[str, Any]:
        return {
            name: value if value is None or kind is None else msgspec.convert(value, kind)
            for name, kind, value in zip(columns, kinds, line, strict=True)
        }

    return row


def go_on_counting(connection: Connection, tables: Sequence[Table]) -> None:
    """Let numbers that the database gives go on behind those that were given.

    SQLite does so by itself.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for column in table.primary_key:
            if not isinstance(column.type, Integer):
                continue
            quoted = connection.dialect.identifier_preparer.format_table(table)
            counter = connection.execute(
                select(func.pg_get_serial_sequence(quoted, column.name))
            ).scalar_one()
            last = connection.execute(select(func.max(column))).scalar_one()
            if counter is not None and last is not None:
                connection.execute(select(func.setval(counter, last)))


def _names_of(revision: str) -> set[str]:
    """The names of the tables of a revision: the migrations themselves say it."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            upgrade(connection, revision)
            return set(inspect(connection).get_table_names()) - {_ALEMBIC}
    finally:
        engine.dispose()


def _functions_of(connection: Connection, tables: Sequence[str]) -> list[str]:
    """The functions of triggers, which PostgreSQL keeps when the tables go."""
    if connection.dialect.name != "postgresql":
        return []
    query = text(
        "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger"
        " JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE NOT tgisinternal AND relname = ANY(:tables)"
        " AND relnamespace = current_schema()::regnamespace"
    )
    return list(connection.execute(query, {"tables": list(tables)}).scalars())


def _kind(kind: Any) -> type[Any] | None:
    if isinstance(kind, DateTime):
        return datetime
    return bytes if isinstance(kind, LargeBinary) else None


def _utc(value: datetime | None) -> datetime | None:
    """SQLite keeps no zone, and all that is written is UTC."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
