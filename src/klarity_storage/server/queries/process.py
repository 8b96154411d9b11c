"""A query's process, as the server holds it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.server.queries.frames import Letter, read_frame, send_frame
from klarity_storage.server.settings.sections import QuerySettings

_PASSED_ON: Final = ("LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR", "TZ")
"""What a process needs of the environment; the server's may hold its keys."""


class Process:
    """A child that runs one query at a time.

    Args:
        folder: where it may spill; a folder in it is the child's own.
        settings: what a query may take.
    """

    def __init__(self, folder: Path, settings: QuerySettings) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="query-", dir=folder))
        limits = {
            "memory": settings.memory,
            "spill": settings.spill,
            "folder": str(self._folder),
        }
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "klarity_storage.server.queries.worker",
                    str(theirs.fileno()),
                    msgspec.json.encode(limits).decode(),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # DataFusion's panics; what matters comes as a frame
                env={key: os.environ[key] for key in _PASSED_ON if key in os.environ},
                start_new_session=True,  # Ctrl-C is the server's affair
            )
        self._socket = ours
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.jobs = 0
        """How many it has run."""

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    async def send(self, letter: Letter, content: bytes = b"") -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(sock=self._socket)
        with suppress(ConnectionError):  # it has ended: the next read says so
            await send_frame(self._writer, letter, content)

    async def read(self) -> tuple[Letter, bytes] | None:
        """The next frame, or None when the process has ended."""
        return await read_frame(self._reader) if self._reader is not None else None

    def end(self) -> None:
        """Kill it and remove what it left. It holds nothing that is worth a farewell."""
        self._child.kill()
        self._child.wait()
        if self._writer is not None:
            self._writer.transport.abort()
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)
