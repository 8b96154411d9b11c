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
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.postgres import postgres_database
from klarity_storage.server.db.sqlite import sqlite_database
from klarity_storage.server.settings.sections import DatabaseSettings

FILE: Final = "klarity.db"
PATIENCE: Final = 120.0
"""Seconds that a server waits while another one migrates."""

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


def open_database(data: Path, settings: DatabaseSettings | None = None) -> Database:
    """The database of a server, made or migrated where needed.

    Args:
        data: the data directory, which holds it unless the settings say another place.
        settings: where PostgreSQL is, if it is that.

    Raises:
        ConfigurationError: a newer program has written it, or the settings are wrong.
        StorageFullError: its disk is full or read-only.
        UnavailableError: it does not answer, or its file is damaged or cannot be opened.
    """
    database = connect_database(data, settings or DatabaseSettings())
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def connect_database(data: Path, settings: DatabaseSettings) -> Database:
    """The database of a server, as it stands.

    Raises:
        ConfigurationError: the settings are wrong.
        StorageFullError: its disk is full or read-only.
        UnavailableError: it does not answer, or its file cannot be made.
    """
    if settings.url is None:
        return sqlite_database(data / FILE)
    return postgres_database(settings.url, settings.connections)


def migrate(database: Database) -> None:
    """Run every migration that the database has not seen, in one transaction.

    Of servers that start at once one does it, and the others find it done.
    """
    with database.write(PATIENCE) as connection:
        refuse_newer(revision_of(connection), "The control database")
        upgrade(connection)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision that the database has not seen."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revision_of(connection: Connection) -> str | None:
    """The last migration that the database has seen; None where it has seen none."""
    return MigrationContext.configure(connection).get_current_revision()


def check_current(database: Database) -> None:
    """Refuse a database that is not of this program's revision.

    Raises:
        ConfigurationError: a newer program has written it, or an older one, or none.
        UnavailableError: it does not answer.
    """
    with database.read() as connection:
        revision = revision_of(connection)
    refuse_newer(revision, "The control database")
    head = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if revision != head:
        raise ConfigurationError(
            f"The control database is of revision {revision}, and this program works with {head}.",
            hint="Start this version's ks serve once, which brings it up to date.",
        )


def refuse_newer(revision: str | None, what: str) -> None:
    """Refuse what a newer program has written.

    Raises:
        ConfigurationError: this program does not know the revision.
    """
    script = ScriptDirectory(str(_MIGRATIONS))
    if revision is None or revision in {known.revision for known in script.walk_revisions()}:
        return
    raise ConfigurationError(
        f"{what} is of revision {revision}, "
        f"which is newer than this program (it knows up to {script.get_current_head()}).",
        hint="Take the version of klarity-storage that wrote it, or a later one.",
    )
