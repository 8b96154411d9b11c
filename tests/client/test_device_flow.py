"""What an issuer may answer while it is asked again and again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

import klarity_storage as ks
from klarity_storage.client.device_flow import DeviceCode, start, wait
from klarity_storage.client.issuer import Issuer
from klarity_storage.errors import StorageError

Answer = tuple[int, Any]
TOKENS: Answer = (200, {"access_token": "eyJ.a.b", "token_type": "Bearer"})
PENDING: Answer = (400, {"error": "authorization_pending"})
SLOWER: Answer = (400, {"error": "slow_down"})
CODE = DeviceCode("secret-device-code", "ABCD-EFGH", "https://x.example.org/device", 600.0)


class Scripted:
    """An issuer that gives its answers in order, and repeats the last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[Answer] = []
        self.asked: list[dict[str, list[str]]] = []
        self.document: dict[str, Any] = {
            "issuer": url,
            "token_endpoint": f"{url}/token",
            "device_authorization_endpoint": f"{url}/device",
        }


@contextmanager
def _running() -> Iterator[Scripted]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, script.document)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            script.asked.append(parse_qs(form))
            answers = script.answers
            self._send(*(answers.pop(0) if len(answers) > 1 else answers[0]))

        def _send(self, status: int, content: Any) -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content)
            self.end_headers()
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script = Scripted(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with _running() as running:
        yield running


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time; nobody really waits, but the clock goes on."""
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, monotonic=lambda: sum(waits))
    monkeypatch.setattr("klarity_storage.client.device_flow.time", clock)
    return waits


def test_it_asks_as_slowly_as_it_is_told(scripted: Scripted, slept: list[float]) -> None:
    scripted.answers = [PENDING, SLOWER, PENDING, SLOWER, TOKENS]
    tokens = wait(Issuer(scripted.url, "ks", "https://storage.example.org"), CODE)
    assert tokens.access_token == "eyJ.a.b"
    assert "eyJ" not in repr(tokens)
    assert slept == [5, 5, 10, 10, 15]
    assert scripted.asked[0] == {
        "client_id": ["ks"],
        "resource": ["https://storage.example.org"],
        "grant_type": ["urn:ietf:params:oauth:grant-type:device_code"],
        "device_code": ["secret-device-code"],
    }


def test_it_asks_less_often_while_the_issuer_does_not_answer(
    scripted: Scripted, slept: list[float]
) -> None:
    scripted.answers = [(503, {}), (429, b"slow"), (200, b"<html>"), TOKENS]
    assert wait(Issuer(scripted.url, "ks"), CODE).refresh_token is None
    assert slept == [5, 10, 20, 40]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((400, {"error": "access_denied"}), "was refused there"),
        ((400, {"error": "expired_token"}), "Nobody confirmed the code"),
        ((401, {"error": "invalid_client"}), "invalid_client"),
        ((400, {"error": "x", "error_description": "Not\x1b[31m you."}), r"Not\[31m you\.$"),
    ],
)
def test_a_no_ends_it(scripted: Scripted, slept: list[float], answer: Answer, told: str) -> None:
    scripted.answers = [PENDING, answer]
    with pytest.raises(ks.UnauthenticatedError, match=told) as caught:
        wait(Issuer(scripted.url, "ks"), CODE)
    assert slept == [5, 5]
    assert "--with-token" in (caught.value.hint or "")


def test_it_ends_with_the_code(scripted: Scripted, slept: list[float]) -> None:
    scripted.answers = [PENDING]
    with pytest.raises(ks.UnauthenticatedError, match="Nobody confirmed"):
        wait(Issuer(scripted.url, "ks"), CODE)
    assert sum(slept) == 600


def test_it_ends_with_the_code_where_nobody_answers(scripted: Scripted, slept: list[float]) -> None:
    scripted.answers = [(503, {})]
    with pytest.raises(ks.UnavailableError, match="503"):
        wait(Issuer(scripted.url, "ks"), CODE)
    assert sum(slept) < 600


def test_a_code_is_asked_for(scripted: Scripted) -> None:
    scripted.answers = [(200, {
        "device_code": "d", "user_code": "U", "verification_uri": "https://x", "expires_in": 9,
    })]  # fmt: skip
    code = start(Issuer(scripted.url, "ks"), ["openid", "offline_access"])
    assert (code.user_code, code.interval) == ("U", 5.0)
    assert "device_code" not in repr(code)
    assert scripted.asked == [{"client_id": ["ks"], "scope": ["openid offline_access"]}]


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        ((400, {"error": "unauthorized_client"}), ks.UnauthenticatedError, "unauthorized_client"),
        ((200, {"user_code": "U"}), ks.UnavailableError, "200 where a code belongs"),
        ((302, "http://127.0.0.1:1/inner"), ks.UnavailableError, "302"),
        ((200, b" " * 300_000), ks.UnavailableError, "more than can be read"),
    ],
)
def test_a_code_that_is_not_given(
    scripted: Scripted, answer: Answer, error: type[StorageError], told: str
) -> None:
    scripted.answers = [answer]
    with pytest.raises(error, match=told):
        start(Issuer(scripted.url, "ks"), ["openid"])


@pytest.mark.parametrize("endpoint", ["http://10.0.0.1/device", "file:///x", None, "ftp://x"])
def test_an_endpoint_elsewhere_is_not_spoken_to(scripted: Scripted, endpoint: str | None) -> None:
    scripted.document["device_authorization_endpoint"] = endpoint
    with pytest.raises(ks.UnavailableError, match="does not offer"):
        start(Issuer(scripted.url, "ks"), ["openid"])


def test_an_issuer_that_describes_another(scripted: Scripted) -> None:
    scripted.document["issuer"] = "https://elsewhere.example.org"
    with pytest.raises(ks.UnavailableError, match="does not describe itself"):
        start(Issuer(scripted.url, "ks"), ["openid"])


@pytest.mark.parametrize("url", ["http://login.example.org", "file:///x", "", "https://a@b.org"])
def test_an_issuer_that_nobody_should_speak_to(url: str) -> None:
    with pytest.raises(ks.ConfigurationError, match="cannot be trusted"):
        Issuer(url, "ks")


def test_an_issuer_that_is_not_there() -> None:
    with pytest.raises(ks.UnavailableError, match="does not answer"):
        Issuer("http://127.0.0.1:1", "ks").discover()
