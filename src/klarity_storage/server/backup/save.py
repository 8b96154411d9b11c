"""Write the control database into a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from klarity_storage.errors import NotFoundError
from klarity_storage.server.backup.file import FORMAT, VERSION, Content, Header, Row, new_backup
from klarity_storage.server.backup.tables import tables_of, to_lines
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import refuse_newer, revision_of

_AT_ONCE: Final = 1000
"""Rows that are in memory at once."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    file: str
    revision: str
    at: datetime
    rows: dict[str, int]
    """By table."""


def back_up(database: Database, file: Path, *, replace: bool = False) -> Summary:
    """Write all tables as they are at one moment; servers may go on meanwhile.

    Args:
        database: of any revision that this program knows.
        file: made with mode 0600, once it is whole.
        replace: whether it may be there.

    Raises:
        AlreadyExistsError: the file is there.
        NotFoundError: nobody has made the database yet.
        ConfigurationError: a newer program has written it.
        UnavailableError: it does not answer.
    """
    with database.read() as connection:
        revision = _revision(connection)
        header = Header(
            format=FORMAT,
            version=VERSION,
            revision=revision,
            database=database.kind,
            at=datetime.now(UTC),
        )
        rows: dict[str, int] = {}
        with new_backup(file, replace=replace) as writer:
            writer.write(header)
            for line in _lines(connection, revision, rows):
                writer.write(line)
    return Summary(file=str(file), revision=revision, at=header.at, rows=rows)


def check_filled(database: Database) -> None:
    """Refuse a database that there is nothing to save of.

    Raises:
        NotFoundError: nobody has made its tables yet.
        ConfigurationError: a newer program has written it.
        UnavailableError: it does not answer.
    """
    with database.read() as connection:
        _revision(connection)


def _revision(connection: Connection) -> str:
    revision = revision_of(connection)
    if revision is None:
        raise NotFoundError(
            "There is nothing in the control database yet.", hint="ks serve makes its tables."
        )
    refuse_newer(revision, "The control database")
    return revision


def _lines(connection: Connection, revision: str, rows: dict[str, int]) -> Iterator[Content | Row]:
    for table in tables_of(connection, revision):
        yield Content(name=str(table.name), columns=[str(c.name) for c in table.columns])
        line_of = to_lines(table)
        query = select(table).order_by(*table.primary_key)
        rows[table.name] = 0
        for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            yield line_of(row)
            rows[table.name] += 1
