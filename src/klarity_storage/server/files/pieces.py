"""Stages between the engine and the caller: each holds one piece, and works while others wait."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

_INLINE: Final = 64 << 10
"""Bytes that are hashed faster than handed to a thread."""


async def digest_of(data: bytes) -> str:
    """The SHA-256 of a few bytes."""
    if len(data) <= _INLINE:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()


async def ahead(source: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
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


async def verified(
    source: AsyncGenerator[bytes, None], sha256: str, damaged: Callable[[], Exception]
) -> AsyncGenerator[bytes, None]:
    """The pieces of a source; the last one comes only after the digest of all of them fits."""
    digest = hashlib.sha256()
    held: bytes | None = None
    async with aclosing(source):
        async for piece in source:
            if held is not None:
                yield held
            if len(piece) <= _INLINE:
                digest.update(piece)
            else:
                await asyncio.to_thread(digest.update, piece)
            held = piece
    if digest.hexdigest() != sha256:
        raise damaged()
    if held is not None:
        yield held
