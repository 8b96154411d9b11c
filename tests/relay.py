"""A relay before an engine that counts what passes, and who is connected."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Passes bytes on as they come; nothing is read that the other side has no room for."""

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        self._target = (str(target.hostname), int(target.port or 80))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._lock = threading.Lock()
        self.answered = 0
        """Bytes that came from the engine."""
        self.open = 0
        """Connections to the engine."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            # little waits in the relay itself, so that what it counts is what was asked for
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as engine:
            with self._lock:
                self.open += 1
            asking = threading.Thread(target=self._pass, args=(client, engine), daemon=True)
            asking.start()
            try:
                self._pass(engine, client, count=True)
                asking.join()
            finally:
                with self._lock:
                    self.open -= 1

    def _pass(self, source: socket.socket, sink: socket.socket, *, count: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if count:
                    with self._lock:
                        self.answered += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(endpoint: str) -> Iterator[Relay]:
    """A relay before that endpoint."""
    relay = Relay(endpoint)
    try:
        yield relay
    finally:
        relay.close()
