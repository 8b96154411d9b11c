"""Start the parts of a server in order, and stop them in the other."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import httpx
import msgspec
from litestar import Litestar

from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.server.app import create_app
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.open import open_buckets
from klarity_storage.server.door import Door
from klarity_storage.server.engines.keys import write_private
from klarity_storage.server.listen import address_of, listen
from klarity_storage.server.lock import locked_data
from klarity_storage.server.logs.start import Say, start_logging
from klarity_storage.server.metrics.listen import shown_metrics
from klarity_storage.server.services import open_services
from klarity_storage.server.settings.sections import Settings
from klarity_storage.server.tls.read import Certificate, read_certificate
from klarity_storage.server.upkeep.run import keep_up

_LOG = logging.getLogger(__name__)

STATE: Final = "server.json"
READY_PATIENCE: Final = 30.0


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
        ConfigurationError: a setting, a certificate or the environment is wrong; nothing was
            started.
        ConflictError: the data directory or the port is in use.
        StorageFullError: the data directory's disk is full or read-only.
        UnavailableError: the engine does not start or answer.
    """
    logged = start_logging(settings.log)
    say = say or logged
    certificate = read_certificate(settings.tls, settings.data)
    with (
        _terminable(),
        locked_data(settings.data),
        listen(settings.server) as listener,
        open_buckets(settings) as buckets,
    ):
        address = address_of(
            listener, https=certificate is not None, name=certificate.host if certificate else None
        )
        services = open_services(settings, buckets)
        try:
            say(f"Klarity Storage at {address}")
            say(f"  data    {settings.data.resolve()}")
            say(f"  engine  {settings.engine.kind} at {buckets[0].engine.credentials.endpoint}")
            for bucket in buckets[1:]:
                say(f"  bucket  {bucket.name}: {bucket.strategy}, engine {bucket.engine_name}")
            first_token(services, lambda token: _say_token(say, address, token))
            app = create_app(services, settings.server, settings.limits)
            with shown_metrics(settings.metrics, services.metrics) as figures:
                if figures:
                    say(f"  metrics {figures}")
                asyncio.run(_run(app, listener, address, settings, certificate, say))
        finally:
            services.close()


async def _run(
    app: Litestar,
    listener: socket.socket,
    address: str,
    settings: Settings,
    certificate: Certificate | None,
    say: Say,
) -> None:
    door = Door(app, listener, settings.limits, certificate)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, door.ask_to_stop)
    loop.add_signal_handler(signal.SIGHUP, _renew, door, settings)
    own = address_of(listener, https=certificate is not None)
    state = settings.data / STATE
    async with app.lifespan():
        serving = asyncio.create_task(door.serve())
        try:
            if await _until_ready(own, certificate, serving):
                content = msgspec.json.encode(ServerState(address, os.getpid()))
                write_private(state, content)
                say("ready")
                app.state.services.queries.warm()
                upkeep = asyncio.create_task(keep_up(app.state.services))
                serving.add_done_callback(lambda _: upkeep.cancel())
            await asyncio.shield(serving)
        finally:
            state.unlink(missing_ok=True)
            await door.drain(serving)
            listener.close()


def _renew(door: Door, settings: Settings) -> None:
    """Serve with the certificate that the files hold now, if it is good; go on as before if not."""
    try:
        certificate = read_certificate(settings.tls, settings.data)
    except ConfigurationError as error:
        _LOG.error("The certificate is not renewed: %s", error)
        return
    if certificate is not None:
        door.renew()
        _LOG.info("The certificate is renewed; it expires on %s.", certificate.expires_at)


async def _until_ready(
    address: str, certificate: Certificate | None, serving: asyncio.Task[None]
) -> bool:
    """Wait until /readyz says yes; False when the server was stopped meanwhile."""
    deadline = asyncio.get_running_loop().time() + READY_PATIENCE
    said = "no answer"
    trusted = certificate.context() if certificate else True
    async with httpx.AsyncClient(base_url=address, trust_env=False, verify=trusted) as http:
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
