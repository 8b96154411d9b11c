"""An issuer that answers whatever a test wants: a provider that is attacked, or attacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class StubIssuer:
    """Its document, its keys, and what it was asked."""

    def __init__(self, address: str) -> None:
        self.url = address
        self.keys: list[Any] = []
        self.asked: list[str] = []
        self.document: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        self.instead: dict[str, Answer] = {}
        """What to do in the place of a proper answer, by path."""
        self.leave = threading.Event()
        """Set at the end: what hangs goes on then."""


class _Handler(BaseHTTPRequestHandler):
    stub: StubIssuer

    def do_GET(self) -> None:
        self.stub.asked.append(self.path)
        with suppress(OSError):  # who asked may be gone
            if self.path in self.stub.instead:
                self.stub.instead[self.path](self)
            elif self.path == "/jwks":
                self.json({"keys": self.stub.keys})
            elif self.path == "/.well-known/openid-configuration":
                self.json(self.stub.document)
            else:
                self.send_error(404)

    def json(self, content: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running_stub() -> Iterator[StubIssuer]:
    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.stub = StubIssuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Handler.stub
        finally:
            Handler.stub.leave.set()
            server.shutdown()
            thread.join()
