"""/v1/audit."""

from __future__ import annotations

from datetime import datetime

from litestar import get
from litestar.params import FromQuery

from klarity_storage.protocol.audit import AuditPage
from klarity_storage.server.audit.sink import AuditQuery
from klarity_storage.server.catalog import audit
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/audit", tags=["audit"], responses=failures(), sync_to_thread=True)
def list_events(
    context: Caller,
    *,
    who: FromQuery[str | None] = None,
    what: FromQuery[str | None] = None,
    operation: FromQuery[str | None] = None,
    request_id: FromQuery[str | None] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    allowed: FromQuery[bool | None] = None,
    oldest_first: FromQuery[bool] = False,
    limit: FromQuery[int] = 100,
    cursor: FromQuery[str | None] = None,
) -> AuditPage:
    """List decisions: all for administrators, else those about what the caller owns, and their own.

    Newest first, page by page: `cursor` is `next` of the page before.
    """
    query = AuditQuery(who, what, operation, request_id, since, until, allowed, oldest_first)
    return audit.list_events(context, query, limit=limit, cursor=cursor)


ROUTES = [list_events]
