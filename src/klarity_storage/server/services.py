"""The parts that the control plane is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from klarity_storage.server.audit.files import AuditFiles
from klarity_storage.server.audit.sink import AuditSink
from klarity_storage.server.audit.table import AuditTable
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets, open_known
from klarity_storage.server.buckets.moves import MoveBook
from klarity_storage.server.buckets.public import publish_all
from klarity_storage.server.buckets.usage import UsageBook
from klarity_storage.server.catalog.histories import Histories
from klarity_storage.server.credentials.reading import ReadingKeys
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.files.service import FileReads
from klarity_storage.server.limits.guesses import Guesses
from klarity_storage.server.metrics.count import Metrics
from klarity_storage.server.oidc.issuers import Issuers
from klarity_storage.server.queries.run import Queries
from klarity_storage.server.rights.cache import RightsCache
from klarity_storage.server.rights.refusals import Refusals
from klarity_storage.server.settings.sections import Settings
from klarity_storage.server.thumbnails.service import Thumbnails
from klarity_storage.server.web.service import WebService


@dataclass(frozen=True, slots=True)
class Services:
    """What every verb of the control plane works with; one for the life of a server."""

    buckets: Buckets
    usage: UsageBook
    moves: MoveBook
    database: Database
    rights: RightsCache
    audit: AuditSink
    reading: ReadingKeys
    queries: Queries
    issuers: Issuers
    histories: Histories = field(default_factory=Histories)
    guesses: Guesses = field(default_factory=Guesses)
    refusals: Refusals = field(default_factory=Refusals)
    metrics: Metrics = field(default_factory=Metrics)
    files: FileReads = field(default_factory=FileReads)
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    web: WebService = field(default_factory=WebService)

    def close(self) -> None:
        """Let go of files and processes; the engine belongs to whoever started it."""
        self.queries.close()
        self.thumbnails.close()
        self.audit.close()
        self.database.close()


def open_services(settings: Settings, buckets: Iterable[Bucket]) -> Services:
    """The services by their settings: the database is made or migrated where needed.

    Args:
        settings: the server's.
        buckets: of engines that run, the main one first.

    Raises:
        ConfigurationError: a newer program has written the database, its URL is wrong, or a space
            lies in a bucket that is not there or of another strategy now.
        StorageFullError: the disk is full or read-only.
        UnavailableError: the database is damaged, cannot be opened or does not answer.
    """
    database = open_database(settings.data, settings.database)
    try:
        known = open_known(database, buckets)
        rights = RightsCache(database)
        publish_all(rights, database, known)
    except BaseException:
        database.close()
        raise
    return Services(
        known,
        UsageBook(database, known),
        MoveBook(database, rights),
        database,
        rights,
        open_audit(settings, database),
        ReadingKeys(known),
        Queries(settings.data / "queries", settings.query),
        Issuers(settings.oidc),
        guesses=Guesses(settings.limits.guesses),
        files=FileReads(settings.files),
        thumbnails=Thumbnails(settings.thumbnails),
        web=WebService(settings.web),
    )


def open_audit(settings: Settings, database: Database) -> AuditSink:
    """Files of a server on its own; where several share a database, a table of it."""
    if database.kind == "sqlite":
        return AuditFiles(settings.data / "audit", settings.audit.days)
    return AuditTable(database, settings.audit.days)
