"""Pieces of a file between the engine and the caller."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from typing import Final

AT_HAND: Final = 64 << 10
"""Bytes that are hashed faster than handed to a thread."""

Pieces = AsyncGenerator[bytes, None]

Stage = Callable[[Pieces], Pieces]
"""What stands between those who fetch and send."""


def in_turn(source: Pieces) -> Pieces:
    """The pieces of a source, each asked for when the one before was used."""
    return source


async def digest_of(data: bytes) -> str:
    """The SHA-256 of a few bytes."""
    if len(data) <= AT_HAND:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()


async def ahead(source: Pieces) -> Pieces:
    """The pieces of a source, each asked for while the one before is used."""

    async def following() -> bytes | None:
        return await anext(source, None)

    coming = asyncio.create_task(following())
    try:
        while (piece := await coming) is not None:
            coming = asyncio.create_task(following())
            yield piece
    finally:
        coming.cancel()
        await asyncio.wait({coming})
        if not coming.cancelled():
            coming.exception()  # whoever stops early does not ask how it went on
        await source.aclose()
