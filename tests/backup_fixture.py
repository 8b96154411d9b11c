"""What a control database holds, to be compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from control_fixture import Control
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import connect_database
from klarity_storage.server.settings.sections import Settings

Old = tuple[Settings, Control]


def content(database: Database) -> dict[str, list[Any]]:
    """All that is in a database, but for the generation, and lines that tell of a restore."""
    with database.read() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
            if table.name != "generations"
        }
    found["audit"] = [row for row in found["audit"] if not row[3].startswith("operator_")]
    return found


def stored(settings: Settings) -> dict[str, list[Any]]:
    database = connect_database(settings.data, settings.database)
    try:
        return content(database)
    finally:
        database.close()
