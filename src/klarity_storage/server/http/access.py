"""A line and a figure for each request, and its id in every line that is logged for it."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from klarity_storage.server.context import Context
from klarity_storage.server.http.remote import caller_address
from klarity_storage.server.http.request_id import request_id
from klarity_storage.server.logs.lines import FIELDS, REQUEST
from klarity_storage.server.metrics.count import Metrics

_LOG = logging.getLogger("klarity_storage.access")

NO_ROUTE: Final = "none"
"""The route of what no route takes: its path is whatever somebody made up."""

CLOSED: Final = 499
"""The status of a request whose caller left before the answer, as nginx writes it."""


class Observed:
    """Note each request when it has ended.

    The path and what follows it are noted nowhere: they name data, and callers put tokens there.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request be answered, and note how."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        status = CLOSED

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = REQUEST.set(request_id(scope))
        started = time.perf_counter()
        try:
            with self._metrics.working():
                await self._app(scope, receive, noting)
        finally:
            self._note(scope, status, time.perf_counter() - started)
            REQUEST.reset(token)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        method, route = scope["method"], scope.get("path_template") or NO_ROUTE
        self._metrics.answered(method, route, status, seconds)
        if not _LOG.isEnabledFor(logging.INFO):
            return
        caller = scope.get("user")
        principal = caller.actor.principal if isinstance(caller, Context) else "-"
        fields = {
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "principal": principal,
            "address": caller_address(scope),
        }
        # by hand: to find out which line of ours logs this would cost as much as all the rest
        record = logging.LogRecord(
            _LOG.name, logging.INFO, "", 0, "%s %s %d %.2f ms %s %s", tuple(fields.values()), None
        )
        setattr(record, FIELDS, fields)
        _LOG.handle(record)
