"""Bring a database to the shape that this program knows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.db.engine import Database, sqlite_database

FILE: Final = "klarity.db"
_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def open_database(data: Path) -> Database:
    """The database of a data directory, made or migrated where needed.

    Raises:
        ConfigurationError: a newer program has written it.
        StorageFullError: its disk is full or read-only.
        UnavailableError: its file is damaged or cannot be opened.
    """
    database = sqlite_database(data / FILE)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database) -> None:
    """Run every migration that the database has not seen, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    with database.write() as connection:
        _refuse_newer(connection, script)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _refuse_newer(connection: Connection, script: ScriptDirectory) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise ConfigurationError(
            f"The control database is of revision {', '.join(sorted(unknown))}, "
            f"which is newer than this program (it knows up to {script.get_current_head()}).",
            hint="Start the version of klarity-storage that wrote it, or a later one.",
        )
