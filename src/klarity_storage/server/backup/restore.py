"""Make the control database again from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, delete, exists, insert, select, text, update

from klarity_storage.errors import AlreadyExistsError, ConflictError, IntegrityError
from klarity_storage.server.backup.decisions import keep_decisions, take_decisions_back
from klarity_storage.server.backup.file import Content, Row, read_backup, read_header
from klarity_storage.server.backup.save import Summary
from klarity_storage.server.backup.tables import (
    drop_tables,
    from_lines,
    go_on_counting,
    tables_of,
)
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import PATIENCE, refuse_newer, revision_of, upgrade
from klarity_storage.server.db.postgres import APPLICATION

_AT_ONCE: Final = 1000
"""Rows that are written at once."""

_FILLED: Final = ("users", "spaces")
"""All else that people make belongs to rows of these."""


def restore(database: Database, file: Path, *, replace: bool = False) -> Summary:
    """Put the tables of a backup in the place of those that are there: all of them, or none.

    Args:
        database: of either kind, whichever the backup is of; no server may use it.
        file: a backup of this program or of an older one, whose tables are brought up to date.
        replace: whether there may be users and spaces, which are lost then. Decisions that the
            backup does not hold stay on record.

    Raises:
        AlreadyExistsError: there are users or spaces.
        ConflictError: a server uses the database.
        ConfigurationError: a newer program has written the backup or the database.
        InvalidDataError: the file is no backup.
        IntegrityError: it is damaged.
        UnavailableError: the database does not answer.
    """
    header = read_header(file)
    refuse_newer(header.revision, f"The backup {file}")
    for _ in read_backup(file):
        pass  # to its checksum, before anything is touched
    with database.write(PATIENCE) as connection:
        _refuse_servers(connection)
        keep_decisions(connection)
        seen = _remove(connection, replace=replace)
        upgrade(connection, header.revision)
        rows = _fill(connection, file, header.revision)
        upgrade(connection)
        # one of then may be over since: gone on with, it would take its copies for superfluous
        connection.execute(delete(schema.moves))
        take_decisions_back(connection)
        _rise(connection, seen)
    return Summary(file=str(file), revision=header.revision, at=header.at, rows=rows)


def _refuse_servers(connection: Connection) -> None:
    """A file has a lock of its own; of a PostgreSQL's users only the PostgreSQL knows."""
    if connection.dialect.name != "postgresql":
        return
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = :name AND pid <> pg_backend_pid()"
        ),
        {"name": APPLICATION},
    ).scalar_one()
    if others:
        raise ConflictError(
            f"Servers use the control database: they hold {others} of its connections.",
            hint="Stop them all, then the same command again.",
        )


def _remove(connection: Connection, *, replace: bool) -> list[int]:
    """Drop what there is, where that may be; what its generations were."""
    revision = revision_of(connection)
    if revision is None:
        return []
    refuse_newer(revision, "The control database")
    tables = {table.name: table for table in tables_of(connection, revision)}
    filled = [name for name in _FILLED if _has_rows(connection, tables[name])]
    if filled and not replace:
        raise AlreadyExistsError(
            f"The control database is not empty: it holds {' and '.join(filled)}.",
            hint="Back it up, then add --replace, which drops what it holds.",
        )
    seen = _generations(connection, tables.get(schema.generations.name))
    drop_tables(connection, revision)
    return seen


def _has_rows(connection: Connection, table: Table) -> bool:
    return bool(connection.execute(select(exists().select_from(table))).scalar_one())


def _fill(connection: Connection, file: Path, revision: str) -> dict[str, int]:
    tables = {table.name: table for table in tables_of(connection, revision)}
    for table in reversed(tables.values()):
        connection.execute(delete(table))  # what migrations put in
    rows: dict[str, int] = {}
    for content, lines in _batches(read_backup(file)):
        table = _named(tables, content, file)
        row_of = from_lines(table, content.columns)
        rows[table.name] = rows.get(table.name, 0) + len(lines)
        if lines:
            connection.execute(insert(table), [row_of(line) for line in lines])
    go_on_counting(connection, list(tables.values()))
    return rows


def _batches(backup: Iterator[Content | Row]) -> Iterator[tuple[Content, list[Row]]]:
    """The rows of a backup, so many of one table at once; a table without rows, too."""
    content: Content | None = None
    lines: list[Row] = []
    for line in backup:
        if isinstance(line, Content):
            if content is not None:
                yield content, lines
            content, lines = line, []
        elif content is not None:
            lines.append(line)
            if len(lines) == _AT_ONCE:
                yield content, lines
                lines = []
    if content is not None:
        yield content, lines


def _named(tables: dict[str, Table], content: Content, file: Path) -> Table:
    table = tables.get(content.name)
    if table is None or not set(content.columns) <= set(table.columns.keys()):
        raise IntegrityError(
            f"The backup {file} has a table {content.name!r} that its revision does not have.",
            hint="Take another one; nothing was changed.",
        )
    return table


def _generations(connection: Connection, table: Table | None) -> list[int]:
    if table is None:
        return []
    return list(connection.execute(select(table.c.value)).scalars())


def _rise(connection: Connection, seen: list[int]) -> None:
    """Let every generation be one that no server has seen: it would take what it knows for good."""
    risen = schema.generations.c.value + max(seen, default=0) + 1
    connection.execute(update(schema.generations).values(value=risen))
