"""S3s that lack something: a proxy that spoils the answers of a real one."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit


class Exchange(NamedTuple):
    """A request, and what the real engine answered."""

    method: str
    path: str
    body: bytes
    status: int
    answer: bytes


Spoil = Callable[[Exchange], tuple[int, bytes] | None]
"""What the client gets instead: status and body, or None to lose the answer."""


@contextmanager
def spoiled(
    endpoint: str,
    spoil: Spoil = lambda exchange: (exchange.status, exchange.answer),
    host: str | None = None,
) -> Iterator[str]:
    """The endpoint of a proxy before that endpoint.

    Args:
        endpoint: where requests go on to.
        spoil: what becomes of its answers; nothing, unless given.
        host: the name that the proxy calls the target by, as most do; else the client's word.
    """
    target = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            try:
                with closing(http.client.HTTPConnection(target)) as upstream:
                    self.pass_on(upstream)
            except (OSError, http.client.HTTPException):  # as the target's, ours ends
                self.close_connection = True

        def pass_on(self, upstream: http.client.HTTPConnection) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.title(): value for name, value in self.headers.items()}
            headers |= {"Host": host} if host else {}
            upstream.request(self.command, self.path, body, headers)
            got = upstream.getresponse()
            answer = got.read()
            told = spoil(Exchange(self.command, self.path, body, got.status, answer))
            if told is None:
                self.close_connection = True
                return
            status, content = told
            self.send_response(status)
            for name, value in got.getheaders():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                    self.send_header(name, value)
            if status == 200 and not got.getheader("ETag"):
                self.send_header("ETag", '"etag"')
            length = got.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # transfers open dozens of connections at once

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def form(exchange: Exchange) -> dict[str, str]:
    """The fields of a request to STS."""
    return {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
