"""A query's answer as an HTTP response: Arrow as it comes, and an end that nobody mistakes."""

from __future__ import annotations

import asyncio
import logging
import struct
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from klarity_storage.errors import InternalError, StorageError
from klarity_storage.protocol.problem import problem_of
from klarity_storage.protocol.queries import ARROW_STREAM, VERSION_HEADER
from klarity_storage.server.http.request_id import request_id
from klarity_storage.server.http.streaming import body_message, send_while_read
from klarity_storage.server.queries.run import Answer

_LOG = logging.getLogger(__name__)
_CONTINUATION: Final = b"\xff\xff\xff\xff"


class ArrowResponse(ASGIResponse):
    """Rows as an IPC stream; a query that fails before its first row answers a problem instead.

    One that fails later ends in a message that is cut short, at which readers of Arrow fail: its
    text is the problem. In the midst of a message nothing follows, or it could be read as rows.
    """

    def __init__(self, query: AbstractAsyncContextManager[Answer]) -> None:
        super().__init__(media_type=ARROW_STREAM)
        self._query = query

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the rows, and stop the query when the client goes away."""
        await send_while_read(self._send(scope, send), receive)

    async def _send(self, scope: Scope, send: Send) -> None:
        async with self._query as answer:
            piece = await answer.piece()
            await send(_start(answer))
            try:
                while piece is not None:
                    async with asyncio.timeout_at(answer.deadline):  # one who does not read, too
                        await send(body_message(piece, more=True))
                    piece = await answer.piece()
                tail = b""
            except StorageError as error:
                tail = broken_end(error, request_id(scope))
            except TimeoutError:
                return  # nobody is there to be told
            except Exception:  # noqa: BLE001 - whoever reads the rows must know that some lack
                _LOG.exception("A query failed in mid-stream.")
                failure = InternalError("The server failed on this query.")
                tail = broken_end(failure, request_id(scope))
        await send(body_message(tail if answer.between else b"", more=False))


def broken_end(error: StorageError, number: str) -> bytes:
    """A message of IPC that announces more than it holds; what it holds is the problem."""
    problem = msgspec.json.encode(problem_of(error, number))
    return _CONTINUATION + struct.pack("<i", len(problem) + 1) + problem


def _start(answer: Answer) -> Any:
    headers = [(b"content-type", ARROW_STREAM.encode())]
    if answer.version is not None:
        headers.append((VERSION_HEADER.lower().encode(), str(answer.version).encode()))
    return {"type": "http.response.start", "status": 200, "headers": headers}
