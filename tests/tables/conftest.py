"""Tables on a disk and in the real engine, with the server's keys or temporary ones."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.tables.location import Locate, TableLocation

Place = Callable[..., Locate]
"""``place("runs")`` finds the table ``runs`` of the test's own space."""


@pytest.fixture
def on_disk(tmp_path: Path, space: str) -> Place:
    def locate(table: str) -> Locate:
        name = Name(space, Kind.TABLES, table)
        return lambda: TableLocation(name, str(tmp_path / "store" / str(name)))

    return locate


@pytest.fixture
def on_s3(engine: SeaweedEngine, space: str) -> Place:
    def locate(table: str, keys: S3Credentials | None = None) -> Locate:
        name = Name(space, Kind.TABLES, table)
        s3 = keys or engine.credentials
        return lambda: TableLocation(name, f"s3://{s3.bucket}/{name}", s3)

    return locate


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.getfixturevalue(f"on_{request.param}")
    return chosen


@pytest.fixture
def keys_for(engine: SeaweedEngine) -> Callable[..., S3Credentials]:
    """Temporary keys to one table, to read or also to write."""

    def assume(name: Name, *, write: bool) -> S3Credentials:
        prefix = [name.prefix]
        policy = compile_policy(
            engine.credentials.bucket, read=prefix, write=prefix if write else ()
        )
        return engine.assume(policy, "the-tests", 900)

    return assume


@dataclass
class CountingProxy:
    """A TCP proxy that counts the bytes that come back."""

    target: str
    received: int = 0
    endpoint: str = ""
    _sockets: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        self.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        for open_socket in self._sockets:
            open_socket.close()

    def _accept(self, listener: socket.socket) -> None:
        host = urlsplit(self.target)
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.create_connection((str(host.hostname), int(host.port or 80)))
            self._sockets += [client, engine]
            threading.Thread(target=self._pass_on, args=(client, engine), daemon=True).start()

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        try:
            while True:
                for ready in select.select([client, engine], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    if ready is engine:
                        self.received += len(data)
                    (client if ready is engine else engine).sendall(data)
        except (OSError, ValueError):
            return
        finally:
            client.close()
            engine.close()


@pytest.fixture
def proxy(engine: SeaweedEngine) -> Iterator[CountingProxy]:
    counting = CountingProxy(engine.credentials.endpoint)
    counting.start()
    yield counting
    counting.stop()
