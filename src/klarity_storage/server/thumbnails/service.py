"""Thumbnails of files: drawn once, kept in the bucket, and the same for everybody who asks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from contextlib import aclosing
from typing import Final, Literal

import obstore
from obstore.store import ObjectStore

from klarity_storage.errors import (
    ConflictError,
    NotAnImageError,
    NotFoundError,
    QuotaError,
    UnavailableError,
    UnreadableImageError,
)
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.buckets.usage import UsageBook
from klarity_storage.server.files.content import Content
from klarity_storage.server.files.reader import Reader
from klarity_storage.server.settings.sections import ThumbnailSettings
from klarity_storage.server.thumbnails.workshop import Workshop
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.media_types import DEFAULT

_LOG = logging.getLogger(__name__)

Width = Literal[64, 128, 256, 512, 1024]
"""The squares that thumbnails fit into: few, so that few are drawn and kept."""

MEDIA_TYPE: Final = "image/webp"

REMEMBERED: Final = 600.0
"""Seconds for which an image that cannot be drawn is not tried again."""

_KEPT: Final = 10_000
_DIGEST: Final = "sha256"

Failure = NotAnImageError | UnreadableImageError


class Thumbnails:
    """Draws what nobody has asked for before; used on one loop.

    Args:
        settings: what drawing one may take.
    """

    def __init__(self, settings: ThumbnailSettings | None = None) -> None:
        self._workshop = Workshop(settings or ThumbnailSettings())
        self._coming: dict[str, asyncio.Task[bytes]] = {}
        self._failed: OrderedDict[str, tuple[float, Failure]] = OrderedDict()

    async def of(self, buckets: Buckets, usage: UsageBook, content: Content, width: int) -> bytes:
        """A thumbnail of a file that the caller may read; of those who ask at once, one draws.

        Raises:
            NotAnImageError: it is of no format that is read.
            UnreadableImageError: it is damaged, or takes too much.
            IntegrityError: the stored file is damaged.
            BusyError: others come first.
        """
        self._check(content)
        assert content.thumbnail is not None  # noqa: S101 - checked just now
        key = content.thumbnail(width)
        coming = self._coming.get(key)
        if coming is None:
            made = self._made(buckets, usage, content, width, key)
            coming = self._coming[key] = asyncio.create_task(made)
            coming.add_done_callback(lambda done: self._over(key, done))
        return await asyncio.shield(coming)  # whoever leaves does not take it from the others

    def close(self) -> None:
        """End the processes that draw."""
        self._workshop.close()

    def _check(self, content: Content) -> None:
        """Refuse what is known to fail, before a byte is read."""
        kind = content.media_type
        if content.thumbnail is None or not (kind.startswith("image/") or kind == DEFAULT):
            raise NotAnImageError(
                f"{content.path!r} is no image that thumbnails are drawn of.",
                hint="These are PNG, JPEG, WebP, GIF, TIFF and BMP of versions.",
            )
        most = self._workshop.settings.bytes
        if content.size > most:
            raise UnreadableImageError(
                f"The image has {content.size:,} bytes, more than {most:,}.",
                hint="Push a smaller one beside it.",
            )
        until, failure = self._failed.get(content.etag, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise type(failure)(failure.message, hint=failure.hint)

    def _over(self, key: str, done: asyncio.Task[bytes]) -> None:
        del self._coming[key]
        if not done.cancelled():
            done.exception()  # all who asked may have left

    async def _made(
        self, buckets: Buckets, usage: UsageBook, content: Content, width: int, key: str
    ) -> bytes:
        if (found := await _kept(content.store, key)) is not None:
            return found
        try:
            drawn = await self._workshop.draw(lambda: _read(content), width)
        except (NotAnImageError, UnreadableImageError) as error:
            self._failed[content.etag] = (time.monotonic() + REMEMBERED, error)
            while len(self._failed) > _KEPT:
                self._failed.popitem(last=False)
            raise
        await asyncio.to_thread(_keep, buckets, usage, key, drawn)
        return drawn


async def _read(content: Content) -> bytearray:
    """All bytes of a file, verified."""
    reader = Reader(content)
    data = bytearray()
    parts = content.parts(0, content.size)
    pieces = reader.read_whole(parts) if content.sha256 else reader.read(parts)
    async with aclosing(pieces):
        async for piece in pieces:
            data += piece
    return data


async def _kept(store: ObjectStore, key: str) -> bytes | None:
    """What was drawn before, if it is as it was."""
    try:
        with told_as_ours("a thumbnail"):
            found = await obstore.get_async(store, key)
            data = bytes(await found.bytes_async())
    except NotFoundError:
        return None
    right = found.attributes.get(_DIGEST) == hashlib.sha256(data).hexdigest()
    return data if right else None


def _keep(buckets: Buckets, usage: UsageBook, key: str, data: bytes) -> None:
    """Keep it for the next who asks; where there is no room or no writing, it is drawn again."""
    space = key.partition("/")[0]
    attributes = {"Content-Type": MEDIA_TYPE, _DIGEST: hashlib.sha256(data).hexdigest()}
    try:
        with buckets.writing(space) as bucket, usage.taking(space, key) as admit:
            admit(len(data), 1)
            with told_as_ours("a thumbnail"):
                bucket.store.put(key, data, attributes=attributes)
    except (ConflictError, QuotaError, UnavailableError) as error:
        _LOG.warning("A thumbnail is not kept: %s", error)
