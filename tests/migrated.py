"""Control databases that the migrations have seen: they run once, and the others are copies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from sqlalchemy import event

from klarity_storage.server.db.migrate import FILE, connect_database, migrate, open_database
from klarity_storage.server.settings.sections import DatabaseSettings

_CHANGES = ("CREATE", "ALTER", "INSERT", "UPDATE")
_ELSE = ("SELECT", "SET LOCAL")

_statements: list[str] = []
"""What the migrations say to an empty PostgreSQL, once they have said it."""


def make_migrated(data: Path, url: str | None) -> None:
    """Make the database of a server as its first start would; leave one that is there alone."""
    if url is None:
        _copy_file(data / FILE)
    else:
        _say_again(url)


def _copy_file(file: Path) -> None:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(_migrated_file())


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        open_database(Path(folder)).close()
        file = Path(folder, FILE)
        assert list(Path(folder).iterdir()) == [file], "some of it is in another file"
        return file.read_bytes()


def _say_again(url: str) -> None:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if found != (None,):
            return
        if _statements:
            connection.execute(";\n".join(_statements).encode())
            return
    _statements.extend(_heard(url))


def _heard(url: str) -> list[str]:
    """Migrate, and listen."""
    statements = []
    database = connect_database(Path(), DatabaseSettings(url=url, connections=1))

    def hear(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith(_CHANGES):
            statements.append(_written_out(cursor, statement, parameters))
        else:
            assert statement.startswith(_ELSE), statement

    event.listen(database._engine, "before_cursor_execute", hear)
    migrate(database)
    database.close()
    return statements


def _written_out(cursor: Any, statement: str, parameters: Mapping[str, Any]) -> str:
    writing = psycopg.ClientCursor(cursor.connection)
    return writing.mogrify(statement.encode(), dict(parameters) or None)
