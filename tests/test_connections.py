from __future__ import annotations

import http.server
import threading
from base64 import b64decode
from collections.abc import Iterator

import pytest

from klarity_storage.connections import Connections, open_pool


@pytest.fixture
def proxy() -> Iterator[tuple[int, list[tuple[str, dict[str, str]]]]]:
    """A proxy that answers for everybody, its port, and what it was asked for."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_that_asks_who_connects(
    scheme: str,
    proxy: tuple[int, list[tuple[str, dict[str, str]]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, asked = proxy
    monkeypatch.setenv("http_proxy", f"{scheme}alice:p%40ss@127.0.0.1:{port}")

    url = "http://storage.example/v1/whoami"
    assert open_pool(url).request("GET", url, retries=False).status == 200

    [(target, headers)] = asked
    assert target == url
    assert headers["Host"] == "storage.example"
    known_as = headers["proxy-authorization"].removeprefix("Basic ")
    assert b64decode(known_as) == b"alice:p@ss"


def test_a_host_that_takes_no_proxy(
    proxy: tuple[int, list[tuple[str, dict[str, str]]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = proxy
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    url = f"http://127.0.0.1:{port}/here"
    assert open_pool(url).request("GET", url, retries=False).status == 200

    assert [target for target, _ in asked] == ["/here"]


@pytest.mark.parametrize("proxied", [False, True])
def test_who_sends_after_the_end_gets_new_connections(
    proxied: bool,
    proxy: tuple[int, list[tuple[str, dict[str, str]]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, asked = proxy
    here = f"http://127.0.0.1:{port}"
    if proxied:
        monkeypatch.setenv("http_proxy", here)
    base = "http://storage.example/ks" if proxied else f"{here}/ks"
    connections = Connections(base)

    for _ in range(2):
        assert connections.send("GET", "/v1/whoami", None, {}).status == 200
        connections.close()

    assert [target for target, _ in asked] == [f"{base if proxied else '/ks'}/v1/whoami"] * 2
