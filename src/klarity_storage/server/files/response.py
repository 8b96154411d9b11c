"""Send a file as its reader takes it, and stop when the reader is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Final

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from klarity_storage.server.files.answer import Plan, body, small_body
from klarity_storage.server.files.budget import SMALL, Budget, Window
from klarity_storage.server.files.content import Content
from klarity_storage.server.files.pieces import ahead, in_turn
from klarity_storage.server.files.reader import Reader
from klarity_storage.server.http.request_id import request_id
from klarity_storage.server.http.streaming import body_message, send_while_read

_LOG = logging.getLogger(__name__)


PATIENCE: Final = 2.0
"""Seconds that a piece waits for its reader before the engine is let go."""


class FileResponse(ASGIResponse):
    """The bytes of a file; a failure before the first of them is a problem, and one behind it
    breaks the connection: the body is shorter than its Content-Length.

    Args:
        content: the file.
        plan: what of it is sent.
        budget: the memory of all answers.
        stall: seconds after which a reader who takes nothing is cut off.
    """

    def __init__(self, content: Content, plan: Plan, budget: Budget, stall: float) -> None:
        super().__init__(media_type=content.media_type, status_code=plan.status)
        self._content = content
        self._plan = plan
        self._budget = budget
        self._stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is planned; the read of the engine ends with the connection."""
        if scope["method"] == "HEAD" or not self._plan.length:  # type: ignore[typeddict-item]
            await self._start(send)
            await send(body_message(b"", more=False))
            return
        if self._plan.length <= SMALL:  # nothing that would have to end when the reader leaves
            data = await small_body(self._content, self._plan)
            await self._start(send)
            await send(body_message(data, more=False))
            return
        await send_while_read(self._send(scope, send), receive)

    async def _send(self, scope: Scope, send: Send) -> None:
        window = Window(self._budget)
        reader = Reader(self._content, window)
        early = ahead if self._budget.ample else in_turn
        try:
            pieces = body(self._content, self._plan, reader, window, early=early)
            async with aclosing(pieces):
                first = await anext(pieces)
                await self._start(send)
                try:
                    await self._hand_over(first, reader, window, send)
                    async for piece in pieces:
                        await self._hand_over(piece, reader, window, send)
                except TimeoutError:
                    return  # nobody is there to be told
                except Exception:  # noqa: BLE001 - the reader must not take it for whole
                    # the answer has begun: that it breaks off is all that can be told
                    _LOG.exception("request %s: %s broke off", request_id(scope), scope["path"])
                    return
            await send(body_message(b"", more=False))
        finally:
            window.close()

    async def _hand_over(self, piece: bytes, reader: Reader, window: Window, send: Send) -> None:
        begun = time.monotonic()
        slow = asyncio.get_running_loop().call_later(PATIENCE, reader.park)
        try:
            for part in _cut(piece, window.sent_at_once(len(piece))):
                async with asyncio.timeout(self._stall):
                    await send(body_message(part, more=True))
        finally:
            slow.cancel()
        window.give(time.monotonic() - begun)

    async def _start(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._plan.headers.items()]
        await send({"type": "http.response.start", "status": self._plan.status, "headers": headers})


def _cut(piece: bytes, size: int) -> Iterator[bytes]:
    if len(piece) <= size:
        yield piece
        return
    view = memoryview(piece)
    for at in range(0, len(view), size):
        yield bytes(view[at : at + size])
