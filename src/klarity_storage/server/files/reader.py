"""Read parts of objects, a piece at a time."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import obstore

from klarity_storage.errors import AlreadyExistsError, NotFoundError, UnavailableError
from klarity_storage.server.files.budget import LARGEST, Budget, Window
from klarity_storage.server.files.content import Content, Part
from klarity_storage.server.files.pieces import AT_HAND, Pieces
from klarity_storage.versions.engine_errors import told_as_ours

if TYPE_CHECKING:
    from obstore import Bytes, BytesStream, GetOptions, GetResult

T = TypeVar("T")

LONGEST: Final = 60.0
"""Seconds that one request to the engine is kept open: a slow reader begins another."""


class Reader:
    """The bytes of parts, one piece after the other; nothing is fetched that nobody asks for.

    Where few read, and take what comes, the engine is asked once and sends on. Elsewhere each
    piece is a request of its own: half a megabyte of a stream that waits lies in the buffers of
    the engine's client.

    Args:
        content: what is read.
        window: how large pieces are, and whether there is room to be sent on.
    """

    def __init__(self, content: Content, window: Window | None = None) -> None:
        self._store = content.store
        self._content = content
        self._window = window or Window(Budget(1 << 30))
        self._stream: BytesStream | None = None
        self._until = 0.0
        self._settled: dict[str, str] = {}
        self._digest: hashlib._Hash | None = None

    def park(self) -> None:
        """Let the engine go: whoever reads is slow."""
        self._window.let_go()
        self._stream = None

    async def read(self, parts: Iterable[Part]) -> Pieces:
        """The bytes of the parts in order.

        Raises:
            IntegrityError: an object is missing, short, or another than it was.
            UnavailableError: the engine does not answer.
        """
        for part in parts:
            done = 0
            while done < part.length:
                data = await self._told(part, self._next(part, done))
                done += len(data)
                if not data or done > part.length:
                    raise self._content.damaged()
                yield data
            self._stream = None

    async def read_whole(self, parts: Iterable[Part]) -> Pieces:
        """The bytes of parts that are all of the file; the last piece comes after the digest fits.

        Raises:
            IntegrityError: it is not what was committed.
            UnavailableError: the engine does not answer.
        """
        content, seen = self._content, 0
        digest = self._digest = hashlib.sha256()
        async with aclosing(self.read(parts)) as pieces:
            async for piece in pieces:
                seen += len(piece)
                if seen >= content.size and (
                    seen > content.size or digest.hexdigest() != content.sha256
                ):
                    raise content.damaged()
                yield piece
        if seen < content.size:
            raise content.damaged()

    async def _next(self, part: Part, done: int) -> bytes:
        size = self._window.take(part.length - done)
        rest = Part(part.key, part.offset + done, part.length - done, part.etag)
        if rest.length <= size or not self._window.may_stream(on=self._stream is not None):
            self._stream = None
            data = await self._fetch(replace(rest, length=size))
            return (
                self._taken(data) if size <= AT_HAND else await asyncio.to_thread(self._taken, data)
            )
        if self._stream is None or time.monotonic() > self._until:
            self._stream = (await self._open(rest)).stream(LARGEST)
            self._until = time.monotonic() + LONGEST
        return await asyncio.to_thread(self._pulled, self._stream)

    def _pulled(self, stream: BytesStream) -> bytes:
        """The next piece, waited for on a thread: to be called back takes the loop as long."""
        return self._taken(next(stream, b""))

    def _taken(self, data: Bytes | bytes) -> bytes:
        """A piece as the HTTP server takes it, digested while it is in the processor's cache.

        It is a copy: what the engine's client gives is a part of a buffer that may be far larger.
        """
        piece = bytes(data)
        if self._digest is not None:
            self._digest.update(piece)
        return piece

    async def take(self, parts: Iterable[Part]) -> bytes:
        """The bytes of small parts, each fetched in one go; raises as ``read`` does."""
        return b"".join([await self._told(part, self._fetch(part)) for part in parts])

    async def _told(self, part: Part, asking: Coroutine[Any, Any, T]) -> T:
        """What was asked of a part, or what it means that it is not there as it was."""
        try:
            with told_as_ours(f"the file {self._content.path!r}"):
                return await asking
        except NotFoundError as error:
            raise self._content.damaged() from error
        except UnavailableError as error:
            # an engine refuses a range that begins behind the end, each in words of its own
            if await self._is_short(part):
                raise self._content.damaged() from error
            raise

    async def _fetch(self, part: Part) -> Bytes:
        if part.etag is None:
            data = await obstore.get_range_async(
                self._store, part.key, start=part.offset, length=part.length
            )
        else:
            data = await (await self._open(part)).bytes_async()
        if len(data) != part.length:
            raise self._content.damaged()
        return data

    async def _open(self, part: Part) -> GetResult:
        options: GetOptions = {"range": (part.offset, part.offset + part.length)}
        if etag := self._settled.get(part.key, part.etag):
            options["if_match"] = etag
        try:
            with told_as_ours(f"the file {self._content.path!r}"):
                return await obstore.get_async(self._store, part.key, options=options)
        except AlreadyExistsError as error:  # it has another ETag
            if self._content.settle is None or part.key in self._settled:
                raise self._content.damaged() from error
            self._settled[part.key] = await self._content.settle(part)
            return await self._open(part)

    async def _is_short(self, part: Part) -> bool:
        with told_as_ours(f"the file {self._content.path!r}"):
            meta = await asyncio.to_thread(self._store.head, part.key)
        return meta["size"] < part.offset + part.length
