"""Stages between the engine and the caller: each holds one piece, and works while others wait."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

_INLINE: Final = 64 << 10
"""Bytes that are hashed faster than handed to a thread."""


Piece = bytes | memoryview
Pieces = AsyncGenerator[Piece, None]

Stage = Callable[[Pieces], Pieces]
"""What stands between two that work on pieces."""


def in_turn(source: Pieces) -> Pieces:
    """The pieces of a source, each asked for when the one before was used."""
    return source


async def digest_of(data: bytes) -> str:
    """The SHA-256 of a few bytes."""
    if len(data) <= _INLINE:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()


async def ahead(source: Pieces) -> Pieces:
    """The pieces of a source, each asked for while the one before is used."""

    async def following() -> Piece | None:
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


async def verified(
    source: Pieces, sha256: str, size: int, damaged: Callable[[], Exception]
) -> Pieces:
    """The pieces of a source of that size; the last one comes after the digest of all fits."""
    digest = hashlib.sha256()
    seen = 0
    async with aclosing(source):
        async for piece in source:
            if len(piece) <= _INLINE:
                digest.update(piece)
            else:
                await asyncio.to_thread(digest.update, piece)
            seen += len(piece)
            if seen >= size and (seen > size or digest.hexdigest() != sha256):
                raise damaged()
            yield piece
    if seen < size:
        raise damaged()
