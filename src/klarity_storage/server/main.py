"""Start the parts of a server in order, and stop them in the other."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import msgspec
from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from klarity_storage.errors import UnavailableError
from klarity_storage.server.app import create_app
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.open import open_buckets
from klarity_storage.server.engines.keys import write_private
from klarity_storage.server.listen import BACKLOG, address_of, listen
from klarity_storage.server.lock import locked_data
from klarity_storage.server.logs.start import Say, start_logging
from klarity_storage.server.metrics.listen import shown_metrics
from klarity_storage.server.services import open_services
from klarity_storage.server.settings.sections import Settings

STATE: Final = "server.json"
READY_PATIENCE: Final = 30.0
DRAIN_PATIENCE: Final = 10.0
"""Seconds that requests have to end after the server was asked to stop."""


class ServerState(msgspec.Struct, frozen=True):
    """DATA/server.json: how scripts find a server that was started with port 0."""

    address: str
    pid: int


def serve(settings: Settings, say: Say | None = None) -> None:
    """Run a server until it is asked to stop (SIGINT, SIGTERM).

    Args:
        settings: what to serve, and where.
        say: where the start text goes, a line at a time; stderr unless given.

    Raises:
        ConfigurationError: a setting or the environment is wrong; nothing was started.
        ConflictError: the data directory or the port is in use.
        StorageFullError: the data directory's disk is full or read-only.
        UnavailableError: the engine does not start or answer.
    """
    logged = start_logging(settings.log)
    say = say or logged
    with (
        _terminable(),
        locked_data(settings.data),
        listen(settings.server) as listener,
        open_buckets(settings) as buckets,
    ):
        address = address_of(listener)
        services = open_services(
            settings.data, buckets, settings.query, settings.audit, settings.oidc
        )
        try:
            say(f"Klarity Storage at {address}")
            say(f"  data    {settings.data.resolve()}")
            say(f"  engine  {settings.engine.kind} at {buckets[0].engine.credentials.endpoint}")
            for bucket in buckets[1:]:
                say(f"  bucket  {bucket.name}: {bucket.strategy}, engine {bucket.engine_name}")
            first_token(services, lambda token: _say_token(say, address, token))
            app = create_app(services, settings.server)
            with shown_metrics(settings.metrics, services.metrics) as figures:
                if figures:
                    say(f"  metrics {figures}")
                asyncio.run(_run(app, listener, address, settings.data, say))
        finally:
            services.close()


class _Server(Server):
    """Granian on a socket that is bound already."""

    def __init__(self, app: Any, listener: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGI,
            websockets=False,
            log_level=LogLevels.error,  # of its own; the app logs for itself
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # Granian's own binds with SO_REUSEPORT: two servers would share one port and never know.
        holder: Any = SocketHolder  # its stub leaves out what it is made of: fd, unix?, backlog
        self._shd: Any = holder(self._listener.detach(), False, BACKLOG)

    def ask_to_stop(self) -> None:
        """Let `serve` end: no new requests, those that run may finish."""
        self.stop()  # type: ignore[no-untyped-call]


async def _run(app: Any, listener: socket.socket, address: str, data: Path, say: Say) -> None:
    server = _Server(app, listener)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.ask_to_stop)
    serving = asyncio.create_task(server.serve())
    state = data / STATE
    try:
        if await _until_ready(address, serving):
            content = msgspec.json.encode(ServerState(address, os.getpid()))
            write_private(state, content)
            say("ready")
            app.state.services.queries.warm()
        await asyncio.shield(serving)
    finally:
        state.unlink(missing_ok=True)
        server.ask_to_stop()
        await asyncio.wait_for(serving, DRAIN_PATIENCE)


async def _until_ready(address: str, serving: asyncio.Task[None]) -> bool:
    """Wait until /readyz says yes; False when the server was stopped meanwhile."""
    deadline = asyncio.get_running_loop().time() + READY_PATIENCE
    said = "no answer"
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        while asyncio.get_running_loop().time() < deadline:
            if serving.done():
                return False
            try:
                answer = await http.get("/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 200:
                return True
            said = answer.text
            await asyncio.sleep(0.1)
    raise UnavailableError(f"The server started but is not ready: {said}.")


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the start as Ctrl-C does, so that nothing is left running."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_token(say: Say, address: str, token: str) -> None:
    say("")
    say("The administrator's token, shown this once and kept nowhere:")
    say(f"  {token}")
    say(f"Log in with it: ks login {address}")
    say("")
