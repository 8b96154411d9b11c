"""Send an answer that streams for as long as its reader is there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from litestar.types import Receive


async def send_while_read(send: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Await what sends; cancel it, and with it the work behind it, when the reader goes away.

    Raises:
        Exception: whatever the sending raised, before the first byte for instance.
    """
    sending = asyncio.create_task(send)
    leaving = asyncio.create_task(_until_left(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (leaving, sending):
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
    if not sending.cancelled():
        await sending


def body_message(piece: bytes, *, more: bool) -> Any:
    """A piece of the body, as ASGI has it."""
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def _until_left(receive: Receive) -> None:
    with suppress(Exception):  # a server may say it so, too
        while (await receive())["type"] != "http.disconnect":
            pass
