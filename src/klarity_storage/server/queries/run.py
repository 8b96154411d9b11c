"""Run queries: a turn, a process, a stream of Arrow, and an end to each of them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.errors import InternalError, StorageError
from klarity_storage.protocol.problem import Problem, error_of, problem_of
from klarity_storage.server.queries.failures import over_all, over_time
from klarity_storage.server.queries.frames import Job, Letter, Located, TableKey
from klarity_storage.server.queries.process import Process
from klarity_storage.server.queries.turns import Turns
from klarity_storage.server.settings.sections import QuerySettings

Locate = Callable[[TableKey], Located]
"""Decides whether the caller may read a table, and says where it lies; called on a thread."""

Look = Callable[[], None]
"""Raises where the caller may not read those tables any more; called on a thread."""

EVERY: Final = 1.0
"""Seconds for which rows are sent until it is asked again whether the caller may have them."""

GRACE: Final = 0.2
"""Seconds in which a query may end that nobody waits for any more."""

JOBS: Final = 500
"""Queries after which a process is replaced: it keeps what it knows of every key it was given."""


class Answer:
    """A query that runs: its frames, until it ends, or its time or the caller's right does."""

    def __init__(self, process: Process, locate: Locate, look: Look, seconds: int) -> None:
        self._process = process
        self._locate = locate
        self._look = look
        self._seconds = seconds
        self._looked = asyncio.get_running_loop().time()
        self.between = True
        """Whether what was sent so far ends with a message of the stream."""
        self.deadline = self._looked + seconds
        """On the loop's clock."""
        self.version: int | None = None
        """Of the table; known before the first piece."""
        self.ended = False

    async def piece(self) -> bytes | None:
        """The next piece of the Arrow stream, or None at its end.

        Raises:
            QueryLimitError: it took more than a query may.
            UnauthenticatedError: the caller's token is not good any more.
            TableNotFoundError: the caller may not read a table any more.
            StorageError: whatever else the query failed with.
        """
        try:
            async with asyncio.timeout_at(self.deadline):
                while not self.ended:
                    frame = await self._process.read()
                    if frame is None:
                        raise over_all()
                    letter, content = frame
                    match letter:
                        case Letter.PART | Letter.DATA:
                            await self._look_again()
                            self.between = letter is Letter.DATA
                            return content
                        case Letter.VERSION:
                            self.version = int(content)
                        case Letter.TABLE:
                            await self._tell(msgspec.msgpack.decode(content, type=TableKey))
                        case Letter.PROBLEM:
                            self.ended = True
                            raise error_of(msgspec.json.decode(content, type=Problem))
                        case _:
                            self.ended = True
        except TimeoutError:
            raise over_time(self._seconds) from None
        return None

    async def _look_again(self) -> None:
        """Before rows are sent, and not while none come: a reader who waits learns nothing.

        Between two messages of the stream alone, where the problem can be told.
        """
        now = asyncio.get_running_loop().time()
        if self.between and now - self._looked >= EVERY:
            self._looked = now  # also where it raises: what is left is only emptied then
            await asyncio.to_thread(self._look)

    async def _tell(self, table: TableKey) -> None:
        try:
            found = await asyncio.to_thread(self._locate, table)
        except StorageError as error:
            await self._process.send(Letter.PROBLEM, msgspec.json.encode(problem_of(error)))
        else:
            await self._process.send(Letter.LOCATION, msgspec.msgpack.encode(found))


class Queries:
    """The processes of a server; for one event loop.

    Args:
        folder: where queries spill; what a killed server left in it is removed.
        settings: how many, and what one may take.
    """

    def __init__(self, folder: Path, settings: QuerySettings) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        self.settings = settings
        self.turns = Turns(settings)
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        self._closed = False

    def warm(self) -> None:
        """Start a process before it is asked for: that takes a second."""
        self._idle.append(self._start())

    def close(self) -> None:
        """End all processes."""
        self._closed = True
        for process in list(self._all):
            self._end(process)
        shutil.rmtree(self._folder, ignore_errors=True)

    @asynccontextmanager
    async def run(
        self, caller: str, job: Job, locate: Locate, look: Look
    ) -> AsyncGenerator[Answer]:
        """Run a query once it is its turn; leaving the context ends it.

        Args:
            caller: whose query it is.
            job: the query.
            locate: asked for each table that it reads.
            look: asked now and then while rows are sent.

        Raises:
            BusyError: there is no turn for it.
        """
        await self.turns.take(caller)
        try:
            process = await self._begun(job)
            answer = Answer(process, locate, look, self.settings.seconds)
            try:
                yield answer
            finally:
                await self._leave(process, answer)
        finally:
            self.turns.give_back(caller)

    async def _begun(self, job: Job) -> Process:
        """A process that has taken the job: one that was ended meanwhile takes none."""
        content = msgspec.msgpack.encode(job)
        while True:
            fresh = not self._idle
            process = await asyncio.to_thread(self._start) if fresh else self._idle.pop()
            try:
                await process.send(Letter.JOB, content)
                taken = await process.read()
            except BaseException:
                self._end(process)
                raise
            if taken is not None:
                return process
            self._end(process)
            if fresh:
                raise InternalError("The process that a query was to run in does not start.")

    async def _leave(self, process: Process, answer: Answer) -> None:
        """Keep the process for another query if this one has ended; end both otherwise.

        DataFusion goes on for a while with what it was told to stop, and a plan is never given up:
        only an end of the process is an end of the query. One that is nearly done may finish.
        """
        process.jobs += 1
        with suppress(TimeoutError, StorageError):
            async with asyncio.timeout(GRACE):
                while not answer.ended:
                    await answer.piece()
        if answer.ended and process.alive and process.jobs < JOBS:
            self._idle.append(process)
            return
        self._end(process)
        if not self._closed:
            await asyncio.to_thread(self.warm)  # so that the next one need not wait

    def _start(self) -> Process:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = Process(self._folder, self.settings)
        self._all.add(process)
        return process

    def _end(self, process: Process) -> None:
        self._all.discard(process)
        process.end()
