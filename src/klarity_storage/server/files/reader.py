"""Read parts of objects, a piece at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import obstore

from klarity_storage.errors import AlreadyExistsError, NotFoundError, UnavailableError
from klarity_storage.server.files.budget import LARGEST, Budget, Window
from klarity_storage.server.files.content import Content, Part
from klarity_storage.server.files.pieces import Pieces
from klarity_storage.versions.engine_errors import told_as_ours

if TYPE_CHECKING:
    from obstore import BytesStream, GetOptions, GetResult

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

    def park(self) -> None:
        """Let the engine go: whoever reads is slow."""
        self._window.let_go()
        self._stream = None

    async def read(self, parts: Iterable[Part]) -> Pieces:
        """The bytes of the parts in order, not copied.

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

    async def _next(self, part: Part, done: int) -> memoryview:
        size = self._window.take(part.length - done)
        rest = Part(part.key, part.offset + done, part.length - done, part.etag)
        if rest.length <= size or not self._window.may_stream(on=self._stream is not None):
            self._stream = None
            # a copy: what the engine's client gives is a piece of a buffer that may be far larger
            return memoryview(bytes(await self._fetch(replace(rest, length=size))))
        if self._stream is None or time.monotonic() > self._until:
            self._stream = (await self._open(rest)).stream(LARGEST)
            self._until = time.monotonic() + LONGEST
        return memoryview(await anext(self._stream, b""))

    async def take(self, parts: Iterable[Part]) -> bytes:
        """The bytes of small parts, each fetched in one go; raises as ``read`` does."""
        return b"".join([await self._told(part, self._fetch(part)) for part in parts])

    async def _told(self, part: Part, asking: Coroutine[Any, Any, memoryview]) -> memoryview:
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

    async def _fetch(self, part: Part) -> memoryview:
        if part.etag is None:
            data = await obstore.get_range_async(
                self._store, part.key, start=part.offset, length=part.length
            )
        else:
            data = await (await self._open(part)).bytes_async()
        if len(data) != part.length:
            raise self._content.damaged()
        return memoryview(data)

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
