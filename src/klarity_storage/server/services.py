"""The parts that the control plane is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import AuditSink
from klarity_storage.server.catalog.histories import Histories
from klarity_storage.server.credentials.reading import ReadingKeys
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.engines.base import Engine
from klarity_storage.server.queries.run import Queries
from klarity_storage.server.settings.sections import AuditSettings, QuerySettings


@dataclass(frozen=True, slots=True)
class Services:
    """What every verb of the control plane works with; one for the life of a server."""

    engine: Engine
    database: Database
    audit: AuditSink
    reading: ReadingKeys
    queries: Queries
    histories: Histories = field(default_factory=Histories)

    def close(self) -> None:
        """Let go of files and processes; the engine belongs to whoever started it."""
        self.queries.close()
        self.audit.close()
        self.database.close()


def open_services(
    data: Path,
    engine: Engine,
    query: QuerySettings | None = None,
    audit: AuditSettings | None = None,
) -> Services:
    """The services over a data directory: its database is made or migrated where needed.

    Raises:
        ConfigurationError: a newer program has written the database.
        StorageFullError: the disk is full or read-only.
        UnavailableError: the database is damaged or cannot be opened.
    """
    return Services(
        engine,
        open_database(data),
        AuditFiles(data / "audit", (audit or AuditSettings()).days),
        ReadingKeys(engine),
        Queries(data / "queries", query or QuerySettings()),
    )
