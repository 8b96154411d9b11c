"""The process that draws thumbnails: ``python -m … <socket> <bytes of memory> <pixels>``.

An image can do to it whatever it wants: take all memory, decode for ever, crash a library. The
server ends the process, and nothing else is harmed. It holds no keys, and opens no files.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from pathlib import Path
from typing import Final, Never

from klarity_storage.errors import NotAnImageError, UnreadableImageError
from klarity_storage.server.thumbnails.draw import draw
from klarity_storage.server.thumbnails.frames import ANSWER, DRAWN, JOB, NO_IMAGE, UNREADABLE

NICE: Final = 5
"""Drawing gives way to the server that answers everybody."""


def answer(data: bytes, width: int, pixels: int) -> tuple[bytes, bytes]:
    """How drawing went, and what to send of it."""
    try:
        return DRAWN, draw(data, width, pixels)
    except (NotAnImageError, UnreadableImageError) as error:
        how = NO_IMAGE if isinstance(error, NotAnImageError) else UNREADABLE
        return how, f"{error.message}\n{error.hint or ''}".encode()
    except MemoryError:
        told = "The image takes more memory than the server gives to one."
    except Exception as error:  # noqa: BLE001 - Pillow's plugins raise whatever Python does
        told = (
            f"The image is damaged: {' '.join(str(error).split())[:200] or type(error).__name__}."
        )
    return UNREADABLE, f"{told}\n".encode()


def serve(connection: socket.socket, pixels: int) -> None:
    """Draw until the server closes the socket."""
    stream = connection.makefile("rb")
    while len(head := stream.read(JOB.size)) == JOB.size:
        width, size = JOB.unpack(head)
        how, content = answer(stream.read(size), width, pixels)
        connection.sendall(ANSWER.pack(how, len(content)) + content)


def limit(memory: int) -> None:
    """Let the process take so much beside what it has now, and write nothing."""
    if sys.platform == "linux":
        held = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
        resource.setrlimit(resource.RLIMIT_DATA, (held + memory, held + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # its memory holds images
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def run() -> Never:
    """Serve the socket of the first argument."""
    descriptor, memory, pixels = map(int, sys.argv[1:])
    os.nice(NICE)
    limit(memory)
    serve(socket.socket(fileno=descriptor), pixels)
    os._exit(0)


if __name__ == "__main__":
    run()
