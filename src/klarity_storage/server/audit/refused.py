"""The record of a caller who was not let in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from klarity_storage.errors import UnauthenticatedError
from klarity_storage.protocol.audit import AuditEvent
from klarity_storage.server.rights.actor import ANYONE

ACTION: Final = "authenticate"


class RefusedTokenError(UnauthenticatedError):
    """A token that is known and not good any more; the client is told no more than of others.

    Args:
        message: one sentence.
        principal: whose token it is.
        token_id: which.
        hint: what to do next.
    """

    def __init__(
        self, message: str, *, principal: str, token_id: str, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.principal = principal
        self.token_id = token_id


def refused_caller(
    error: UnauthenticatedError, operation: str, request_id: str, remote: str
) -> AuditEvent:
    """What is recorded; never what was shown for a token, which may be one of somewhere else."""
    principal, token_id = ANYONE, None
    if isinstance(error, RefusedTokenError):
        principal, token_id = error.principal, error.token_id
    return AuditEvent(
        at=datetime.now(UTC),
        request_id=request_id,
        principal=principal,
        token_id=token_id,
        remote=remote,
        operation=operation,
        action=ACTION,
        target="server",
        about="",
        allowed=False,
        via=None,
        reason=error.message,
    )
