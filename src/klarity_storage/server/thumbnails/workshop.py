"""The processes that draw, and whose turn it is: a few at once, each for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from klarity_storage.errors import BusyError, UnreadableImageError
from klarity_storage.server.settings.sections import ThumbnailSettings
from klarity_storage.server.thumbnails.process import Process

PATIENCE: Final = 30.0
"""Seconds that a thumbnail waits for its turn."""

JOBS: Final = 500
"""Thumbnails after which a process is replaced: what libraries leak goes with it."""


class Workshop:
    """Draws thumbnails; used on one loop.

    Args:
        settings: how many at once, and what each may take.
    """

    def __init__(self, settings: ThumbnailSettings) -> None:
        self.settings = settings
        self._turns = asyncio.Semaphore(settings.at_once)
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def draw(self, fetch: Callable[[], Awaitable[bytes | bytearray]], width: int) -> bytes:
        """Draw a thumbnail of what is fetched when it is its turn, and no earlier.

        Raises:
            NotAnImageError: it is of no format that is read.
            UnreadableImageError: it is damaged, or takes too much.
            BusyError: its turn does not come.
        """
        async with self._turn():
            data = await fetch()
            process = self._idle.pop() if self._idle else await asyncio.to_thread(self._start)
            try:
                async with asyncio.timeout(self.settings.seconds):
                    return await process.draw(data, width)
            except TimeoutError:
                process.jobs = JOBS
                raise UnreadableImageError(
                    f"The image takes longer than {self.settings.seconds} s to draw.",
                    hint="Push a smaller one beside it.",
                ) from None
            finally:
                self._leave(process)

    def close(self) -> None:
        """End all processes."""
        for process in tuple(self._all):
            self._end(process)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise BusyError(
                "The server draws other thumbnails.", hint="Try again in a moment."
            ) from None
        try:
            yield
        finally:
            self._turns.release()

    def _start(self) -> Process:
        process = Process(self.settings)
        self._all.add(process)
        return process

    def _leave(self, process: Process) -> None:
        """Keep a process that has answered; one that has not may be at it still."""
        if process.idle and process.jobs < JOBS:
            self._idle.append(process)
        else:
            self._end(process)

    def _end(self, process: Process) -> None:
        self._all.discard(process)
        process.end()
