"""Read parts of objects as a stream that waits for its reader and goes on where it stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

import obstore

from klarity_storage.errors import AlreadyExistsError, NotFoundError, UnavailableError
from klarity_storage.server.files.content import Content, Part
from klarity_storage.versions.engine_errors import told_as_ours

if TYPE_CHECKING:
    from obstore import BytesStream, GetOptions, GetResult

LONGEST: Final = 60.0
"""Seconds that one request to the engine is kept open: a slow reader begins another."""


class Reader:
    """The bytes of parts, one piece after the other; nothing is fetched that nobody asks for.

    Args:
        content: what is read.
        piece: bytes of a piece, about.
    """

    def __init__(self, content: Content, piece: int) -> None:
        self._store = content.store
        self._content = content
        self.piece = piece
        self._stream: BytesStream | None = None
        self._until = 0.0
        self._settled: dict[str, str] = {}

    def park(self) -> None:
        """Let the engine go: whoever reads is slow. The next piece is asked for anew."""
        self._stream = None

    async def read(self, parts: Iterable[Part]) -> AsyncGenerator[bytes, None]:
        """The bytes of the parts in order.

        Raises:
            IntegrityError: an object is missing, short, or another than it was.
            UnavailableError: the engine does not answer.
        """
        for part in parts:
            done = 0
            while done < part.length:
                data = await self._next(part, done)
                done += len(data)
                if not data or done > part.length:
                    raise self._content.damaged()
                yield data
            self.park()

    async def take(self, parts: Iterable[Part]) -> bytes:
        """The bytes of small parts, each fetched in one go; raises as ``read`` does."""
        return b"".join([await self._told(part, self._fetch(part)) for part in parts])

    async def _next(self, part: Part, done: int) -> bytes:
        return await self._told(part, self._go_on(part, done))

    async def _told(self, part: Part, asking: Coroutine[Any, Any, bytes]) -> bytes:
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

    async def _fetch(self, part: Part) -> bytes:
        if part.etag is None:
            data = await obstore.get_range_async(
                self._store, part.key, start=part.offset, length=part.length
            )
        else:
            data = await (await self._open(part, 0)).bytes_async()
        if len(data) != part.length:
            raise self._content.damaged()
        return bytes(data)

    async def _go_on(self, part: Part, done: int) -> bytes:
        if self._stream is None or time.monotonic() > self._until:
            self._stream = (await self._open(part, done)).stream(self.piece)
            self._until = time.monotonic() + LONGEST
        return bytes(await anext(self._stream, b""))

    async def _open(self, part: Part, done: int) -> GetResult:
        options: GetOptions = {"range": (part.offset + done, part.offset + part.length)}
        if etag := self._settled.get(part.key, part.etag):
            options["if_match"] = etag
        try:
            with told_as_ours(f"the file {self._content.path!r}"):
                return await obstore.get_async(self._store, part.key, options=options)
        except AlreadyExistsError as error:  # it has another ETag
            if self._content.settle is None or part.key in self._settled:
                raise self._content.damaged() from error
            self._settled[part.key] = await self._content.settle(part)
            return await self._open(part, done)

    async def _is_short(self, part: Part) -> bool:
        with told_as_ours(f"the file {self._content.path!r}"):
            meta = await asyncio.to_thread(self._store.head, part.key)
        return meta["size"] < part.offset + part.length
