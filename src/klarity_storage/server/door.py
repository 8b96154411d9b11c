"""Granian on a socket of ours, with the limits and the certificate of the settings."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import AsyncWorker, Server

from klarity_storage.server.listen import BACKLOG
from klarity_storage.server.settings.sections import LimitsSettings
from klarity_storage.server.tls.read import Certificate

_LOG = logging.getLogger(__name__)

DRAIN_PATIENCE: Final = 10.0
"""Seconds that requests have to end after the server was asked to stop."""

_OTHER_FILES: Final = 1024
"""Open files that are no connections: database, engine, queries."""


class Door(Server):
    """Serves an application until it is asked to stop.

    HTTP/1.1 alone: Granian gives a connection that may become HTTP/2 any time to say so, and some
    hundred that say nothing would keep everybody else out. A proxy in front speaks HTTP/2.

    Args:
        app: the application; its start and end are not Granian's affair, whose workers change.
        listener: bound and listening; it stays the caller's.
        limits: how many connections, and how slow.
        certificate: what HTTPS is served with; HTTP without.
    """

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        limits: LimitsSettings,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            websockets=False,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=limits.head_seconds * 1000, max_buffer_size=limits.head_bytes
            ),
            backpressure=limits.connections,
            ssl_cert=certificate.file if certificate else None,
            ssl_key=certificate.key if certificate else None,
            ssl_protocol_min=SSLProtocols.tls12,
            log_level=LogLevels.error,  # of its own; the app logs for itself
        )
        self._listener = listener
        self._leaving: set[asyncio.Task[None]] = set()
        _allow_files(limits.connections + _OTHER_FILES)

    def _init_shared_socket(self) -> None:
        # Granian's own binds with SO_REUSEPORT: two servers would share one port and never know.
        # A worker closes what it was given, so each is given a descriptor of its own.
        holder: Any = SocketHolder  # its stub leaves out what it is made of: fd, unix?, backlog
        self._shd: Any = holder(os.dup(self._listener.fileno()), False, BACKLOG)

    def renew(self) -> None:
        """Read the certificate again: new connections get it, those that stand go on as they are.

        What it is read from has been looked at before. A connection that is just being made may be
        reset, and is made again by its client, which has asked for nothing yet.
        """
        self._init_shared_socket()
        fresh = self._spawn_worker(0, self._spawn_asgi_worker, self.target)
        before, self.wrks = self.wrks, [fresh]
        fresh.start()  # type: ignore[no-untyped-call]
        for worker in before:
            leaving = asyncio.get_running_loop().create_task(_leave(worker))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def ask_to_stop(self) -> None:
        """Let `serve` end: no new requests, those that run may finish."""
        self.stop()  # type: ignore[no-untyped-call]

    async def drain(self, serving: asyncio.Task[None]) -> None:
        """Stop, and wait for the requests that run; those that take too long are cut."""
        self.ask_to_stop()
        done, _ = await asyncio.wait({serving, *self._leaving}, timeout=DRAIN_PATIENCE)
        if serving not in done:
            _LOG.warning("Some requests did not end within %d s and were cut.", DRAIN_PATIENCE)
            serving.cancel()
            return
        await serving


async def _leave(worker: AsyncWorker) -> None:
    """Let a worker end when its last connection has."""
    worker.terminate()  # type: ignore[no-untyped-call]
    await worker.join()  # type: ignore[no-untyped-call]


def _allow_files(number: int) -> None:
    """A connection is an open file, and many systems allow 1024 unless asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
