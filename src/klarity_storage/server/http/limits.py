"""What a request may take: a place among those that are worked on, and time to arrive."""

from __future__ import annotations

import asyncio
from typing import Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

from klarity_storage.errors import BusyError, TooSlowError
from klarity_storage.server.settings.sections import LimitsSettings

_ALWAYS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""What is answered to those who watch the server, above all when it is busy."""


class Limited(ASGIMiddleware):
    """Refuse what is too much at once, and what arrives too slowly; for one event loop."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, limits: LimitsSettings) -> None:
        self._limits = limits
        self._running = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let the request be answered if there is a place for it."""
        if self._running >= self._limits.requests and scope["path_template"] not in _ALWAYS:
            raise BusyError(
                f"The server works on {self._running} requests already.",
                hint="Try again in a moment.",
            )
        self._running += 1
        try:
            await next_app(scope, _hurried(receive, self._limits.body_seconds), send)
        finally:
            self._running -= 1


def _hurried(receive: Receive, seconds: int) -> Receive:
    """Receive a body that must be whole in time; what comes after it may take its own."""
    deadline: float | None = None
    whole = False

    async def receive_in_time() -> ReceiveMessage:
        nonlocal deadline, whole
        if whole:
            return await receive()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise TooSlowError(
                f"The body of the request did not arrive within {seconds} s.", hint="Send it again."
            ) from None
        whole = message["type"] != "http.request" or not message["more_body"]
        return message

    return receive_in_time
