"""Whether the server can do its work."""

from __future__ import annotations

from klarity_storage.protocol.server import Readiness
from klarity_storage.server.services import Services


def check_parts(services: Services) -> Readiness:
    """Ask each part; what is wrong is told without its inside."""
    faults = {"database": services.database.check(), **services.buckets.check()}
    return Readiness(
        ready=not any(faults.values()),
        parts={part: fault or "ok" for part, fault in faults.items()},
    )
