"""The process that queries run in, one at a time: ``python -m … <socket> <settings as JSON>``.

A query can do to it whatever it wants: plan for ever, overflow the stack, take all memory. The
server ends the process, and nothing else is harmed. It holds no keys but those to the tables of its
queries.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any, Final, Never

import msgspec
import pyarrow as pa
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.problem import Problem, error_of, problem_of
from klarity_storage.server.queries.encode import Encoder
from klarity_storage.server.queries.failures import over_rows, told
from klarity_storage.server.queries.frames import (
    Job,
    Letter,
    Located,
    TableKey,
    read_frame,
    send_frame,
)
from klarity_storage.tables.context import prepare
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.page import open_page
from klarity_storage.tables.sql import sql

NICE: Final = 5
"""Queries give way to the server that answers everybody."""

_RESERVE: Final = 256 << 20
"""Bytes that a process takes beside what its query does: threads, buffers of the engine."""


class WorkerSettings(msgspec.Struct, frozen=True):
    """What a process may take."""

    memory: int
    """Bytes to sort, join and group in."""
    spill: int
    """Bytes on the disk beside that."""
    folder: str
    """Where on the disk; the server removes it."""


class Worker:
    """One end of the socket: takes a job, asks for its tables, sends its rows."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: WorkerSettings
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._sessions: dict[bool, SessionContext] = {}
        self._answer: asyncio.Future[tuple[Letter, bytes]] | None = None
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Work until the server has gone."""
        jobs = set()
        while (frame := await read_frame(self._reader)) is not None:
            letter, content = frame
            if letter is Letter.JOB:
                job = asyncio.create_task(self._run(msgspec.msgpack.decode(content, type=Job)))
                jobs.add(job)  # or nothing would hold it
                job.add_done_callback(jobs.discard)
            elif self._answer is not None and not self._answer.done():
                self._answer.set_result(frame)

    async def _run(self, job: Job) -> None:
        await send_frame(self._writer, Letter.TAKEN)
        last, content = Letter.DONE, b""
        try:
            await self._stream(job)
        except Exception as error:  # noqa: BLE001 - DataFusion raises nothing more special
            last, content = Letter.PROBLEM, msgspec.json.encode(problem_of(told(error)))
        await send_frame(self._writer, last, content)

    async def _stream(self, job: Job) -> None:
        # planning blocks, and asks for tables on its way
        frame, version = await asyncio.to_thread(self._plan, job)
        if version is not None:
            await send_frame(self._writer, Letter.VERSION, str(version).encode())
        encoder = Encoder(frame.schema())
        rows = await asyncio.to_thread(frame.execute_stream)
        count = 0
        async for batch in rows:
            arrow = batch.to_pyarrow()
            count += arrow.num_rows
            if count > job.rows:
                raise over_rows(job.rows)
            encoder.add(arrow)
            await self._send(encoder)
        encoder.finish()
        await self._send(encoder)

    async def _send(self, encoder: Encoder) -> None:
        pieces = encoder.take()
        for number, piece in enumerate(pieces, 1):
            letter = Letter.DATA if number == len(pieces) else Letter.PART
            await send_frame(self._writer, letter, piece)

    def _plan(self, job: Job) -> tuple[Any, int | None]:
        if job.table is not None and job.page is not None:
            query = job.page
            # on one thread, rows without an order come in that of the files, in every page
            session = self._session(in_order=not query.order_by)
            return open_page(self._locate(job.table.space, job.table.name), query, session)
        return sql(job.sql or "", self._locate, self._session(in_order=False)), None

    def _session(self, *, in_order: bool) -> SessionContext:
        if in_order not in self._sessions:
            runtime = (
                RuntimeEnvBuilder()
                .with_disk_manager_specified(self._settings.folder)
                .with_fair_spill_pool(self._settings.memory)
            )
            config = SessionConfig()
            if in_order:
                config = config.with_target_partitions(1)
            session = SessionContext(config, runtime)
            session.sql(
                f"SET datafusion.runtime.max_temp_directory_size = '{self._settings.spill >> 10}K'"
            )
            self._sessions[in_order] = prepare(session)
        return self._sessions[in_order]

    def _locate(self, space: str, table: str) -> TableLocation:
        """Where a table lies: the server decides whether the caller may know."""
        asking = asyncio.run_coroutine_threadsafe(self._ask(TableKey(space, table)), self._loop)
        letter, content = asking.result()
        if letter is Letter.PROBLEM:
            raise error_of(msgspec.json.decode(content, type=Problem))
        found = msgspec.msgpack.decode(content, type=Located)
        return TableLocation(Name(space, Kind.TABLES, table), found.uri, found.s3)

    async def _ask(self, table: TableKey) -> tuple[Letter, bytes]:
        self._answer = self._loop.create_future()
        await send_frame(self._writer, Letter.TABLE, msgspec.msgpack.encode(table))
        return await self._answer


def limit_memory(memory: int) -> None:
    """Let the process have twice a query's memory beside what it has now, where that can be set."""
    if sys.platform == "linux":
        held = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
        most = held + 2 * memory + _RESERVE
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its memory holds rows


async def main(descriptor: int, settings: WorkerSettings) -> None:
    """Serve the socket of that descriptor."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await Worker(reader, writer, settings).serve()


def run() -> Never:
    """Serve until the server closes the socket, and leave whatever still runs."""
    settings = msgspec.json.decode(sys.argv[2], type=WorkerSettings)
    os.nice(NICE)
    pa.ipc.new_stream(pa.BufferOutputStream(), pa.schema([])).close()  # loads what a query needs
    limit_memory(settings.memory)
    asyncio.run(main(int(sys.argv[1]), settings))
    os._exit(0)


if __name__ == "__main__":
    run()
