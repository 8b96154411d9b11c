"""A process that draws, as the server holds it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from typing import Final

from klarity_storage.errors import NotAnImageError, UnreadableImageError
from klarity_storage.server.settings.sections import ThumbnailSettings
from klarity_storage.server.thumbnails.frames import ANSWER, DRAWN, JOB, NO_IMAGE

_PASSED_ON: Final = ("LANG", "LC_ALL", "PATH", "PYTHONPATH", "TZ")
"""What a process needs of the environment; the server's may hold its keys."""

_MOST: Final = 64 << 20
"""Bytes of an answer that can be a thumbnail."""


class Process:
    """A child that draws one thumbnail at a time.

    Args:
        settings: what one may take.
    """

    def __init__(self, settings: ThumbnailSettings) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            limits = (theirs.fileno(), settings.memory, settings.pixels)
            self._child = subprocess.Popen(
                [sys.executable, "-m", "klarity_storage.server.thumbnails.worker"]
                + [str(limit) for limit in limits],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what libraries say of broken images
                env={key: os.environ[key] for key in _PASSED_ON if key in os.environ},
                start_new_session=True,  # Ctrl-C is the server's affair
            )
        self._socket = ours
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.jobs = 0
        """How many thumbnails it has drawn, or tried to."""
        self.idle = True
        """Whether it has answered all that it was asked."""

    @property
    def pid(self) -> int:
        return self._child.pid

    async def draw(self, data: bytes | bytearray, width: int) -> bytes:
        """Draw a thumbnail.

        Raises:
            NotAnImageError: it is of no format that is read.
            UnreadableImageError: it is damaged or takes too much, or the process died of it.
        """
        self.jobs += 1
        self.idle = False
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(sock=self._socket)
            reader, writer = self._streams
            writer.write(JOB.pack(width, len(data)))
            writer.write(data)
            await writer.drain()
            how, size = ANSWER.unpack(await reader.readexactly(ANSWER.size))
            content = await reader.readexactly(min(size, _MOST))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise UnreadableImageError("The image ends the process that decodes it.") from error
        self.idle = True
        if how == DRAWN:
            return content
        message, _, hint = content.decode("utf-8", "replace").partition("\n")
        kind = NotAnImageError if how == NO_IMAGE else UnreadableImageError
        raise kind(message, hint=hint or None)

    def end(self) -> None:
        """Kill it. It holds nothing that is worth a farewell."""
        self._child.kill()
        self._child.wait()
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._socket.close()
