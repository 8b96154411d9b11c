"""The record of decisions: who asked for what, and what was said."""

from __future__ import annotations

from datetime import datetime

from klarity_storage.protocol.base import Response

MAX_EVENTS = 1_000
"""The most events of one page."""


class AuditEvent(Response, frozen=True, kw_only=True):
    """One decision; it holds no secret."""

    at: datetime
    request_id: str
    principal: str
    """``user:alice``; ``anyone`` where nobody knows who it was."""
    token_id: str | None
    remote: str = ""
    """The address that the request came from; empty where there is none."""
    operation: str
    """The API's operation: ``create_grant``."""
    action: str
    """What of the target was asked for: list, read, write or own; authenticate for a caller who was
    not let in."""
    target: str
    scope: str | None = None
    """The part of a space that it is about: its owners see the event."""
    about: str
    """What is to be done, where the operation and the target do not say it all."""
    allowed: bool
    hidden: bool = False
    """Whether the caller was told that there is no such thing."""
    via: str | None
    """The id of the grant that allowed it, ``administrator`` or ``self``."""
    grant_version: str | None = None
    """Of that grant as it stood: it changes with whatever the grant says."""
    reason: str


class AuditPage(Response, frozen=True):
    items: list[AuditEvent]
    next: str | None = None
    """The ``cursor`` of the next page; None on the last one. A page may be short, even empty, and
    still have a next one: the server looks through so much at once and no more."""
