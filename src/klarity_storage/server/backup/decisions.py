"""What was decided stays on record, also when the database goes back to what it was before."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, text

from klarity_storage.server.db import schema

_KEPT: Final = "kept_audit"
_SAME: Final = ("at", "request_id", "principal", "operation", "action", "target")
"""By which a decision is known again; its id may have been given to another one since."""


def keep_decisions(connection: Connection) -> None:
    """Lay the decisions that are on record aside, in this transaction."""
    if inspect(connection).has_table(schema.audit.name):
        connection.execute(
            text(f"CREATE TEMPORARY TABLE {_KEPT} AS SELECT * FROM {schema.audit.name}")  # noqa: S608
        )


def take_decisions_back(connection: Connection) -> None:
    """Put those that the backup does not hold behind those that it does, in their order."""
    inspector = inspect(connection)
    if _KEPT not in inspector.get_temp_table_names():
        return
    kept = {column["name"] for column in inspector.get_columns(_KEPT)} - {"id"}
    columns = ", ".join(column.name for column in schema.audit.c if column.name in kept)
    same = " AND ".join(f"known.{name} = {_KEPT}.{name}" for name in _SAME)
    connection.execute(
        text(
            f"INSERT INTO {schema.audit.name} ({columns}) SELECT {columns} FROM {_KEPT}"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT 1 FROM {schema.audit.name} AS known WHERE {same})"
            " ORDER BY id"
        )
    )
    connection.execute(text(f"DROP TABLE {_KEPT}"))
