"""The parts that the control plane is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import AuditSink
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets, open_known
from klarity_storage.server.catalog.histories import Histories
from klarity_storage.server.credentials.reading import ReadingKeys
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.metrics.count import Metrics
from klarity_storage.server.oidc.issuers import Issuers
from klarity_storage.server.queries.run import Queries
from klarity_storage.server.settings.sections import AuditSettings, OidcSettings, QuerySettings


@dataclass(frozen=True, slots=True)
class Services:
    """What every verb of the control plane works with; one for the life of a server."""

    buckets: Buckets
    database: Database
    audit: AuditSink
    reading: ReadingKeys
    queries: Queries
    issuers: Issuers
    histories: Histories = field(default_factory=Histories)
    metrics: Metrics = field(default_factory=Metrics)

    def close(self) -> None:
        """Let go of files and processes; the engine belongs to whoever started it."""
        self.queries.close()
        self.audit.close()
        self.database.close()


def open_services(
    data: Path,
    buckets: Iterable[Bucket],
    query: QuerySettings | None = None,
    audit: AuditSettings | None = None,
    oidc: Mapping[str, OidcSettings] | None = None,
) -> Services:
    """The services over a data directory: its database is made or migrated where needed.

    Args:
        data: the directory.
        buckets: of engines that run, the main one first.
        query: what queries may take.
        audit: how long lines of the audit log stay.
        oidc: the issuers that are trusted, by name.

    Raises:
        ConfigurationError: a newer program has written the database, or a space lies in a bucket
            that is not there or of another strategy now.
        StorageFullError: the disk is full or read-only.
        UnavailableError: the database is damaged or cannot be opened.
    """
    database = open_database(data)
    try:
        known = open_known(database, buckets)
    except BaseException:
        database.close()
        raise
    return Services(
        known,
        database,
        AuditFiles(data / "audit", (audit or AuditSettings()).days),
        ReadingKeys(known),
        Queries(data / "queries", query or QuerySettings()),
        Issuers(oidc or {}),
    )
