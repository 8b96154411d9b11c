"""The record of decisions, read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from klarity_storage.client.http import Http, quoted
from klarity_storage.protocol.audit import MAX_EVENTS, AuditEvent, AuditPage


class AuditFilter(TypedDict, total=False):
    """Which decisions; each part that is given narrows them."""

    who: str
    """A principal: ``user:alice``; ``anyone`` for callers whom nobody knows."""
    what: str
    """``vision/datasets``, and all below it; ``*`` and ``?`` stand for any letters and for one."""
    operation: str
    """One of the API's: ``create_grant``."""
    request_id: str
    """As it stands in the engine's log, and on answers."""
    since: datetime
    until: datetime
    allowed: bool
    oldest_first: bool


def read_audit(
    http: Http, limit: int | None = None, **query: Unpack[AuditFilter]
) -> Iterator[AuditEvent]:
    """Decisions, newest first unless it is said otherwise; a page at a time is held.

    Args:
        http: the server.
        limit: so many at most; all without it.
        query: which.
    """
    said = {key: _said(value) for key, value in query.items()}
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        size = MAX_EVENTS if left is None else min(left, MAX_EVENTS)
        page = http.get(quoted("audit"), AuditPage, **said, limit=str(size), cursor=cursor)
        yield from page.items
        if left is not None:
            left -= len(page.items)
        cursor = page.next
        if cursor is None:
            return


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
