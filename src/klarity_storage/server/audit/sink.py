"""What is recorded of a decision, and where records go."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One decision; it holds no secret."""

    at: datetime
    request_id: str
    principal: str
    """``user:alice``."""
    token_id: str | None
    operation: str
    """The API's operation: ``create_grant``."""
    action: str
    """What of the target was asked for: list, read, write or own."""
    target: str
    about: str
    """What is to be done, where the operation and the target do not say it all."""
    allowed: bool
    via: str | None
    """The id of the grant that allowed it, ``administrator`` or ``self``."""
    reason: str


class AuditSink(Protocol):
    """Where audit events go."""

    def write(self, event: AuditEvent) -> None:
        """Record an event for good before returning.

        Raises:
            UnavailableError: it cannot be recorded, so what it is about must not happen.
        """

    def close(self) -> None: ...
