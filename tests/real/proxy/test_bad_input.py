"""Requests that mean to lead elsewhere, to cost much or to keep others waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nginx_fixture import Site, running_site
from proxy_versions import Pushed, pushed
from wire import Heard, Wire

pytestmark = pytest.mark.real

SECRET = b"what only some may read"


def problem(heard: Heard) -> tuple[int, str]:
    assert heard["content-type"] == "application/problem+json", heard
    told = json.loads(heard.body)
    assert told["status"] == heard.status
    assert told["type"] == f"urn:klarity:error:{told['code']}"
    assert told["request_id"] == heard["x-request-id"]
    assert heard["x-content-type-options"] == "nosniff"
    assert b"nginx" not in heard.body
    return heard.status, told["code"]


def connection(address: str) -> socket.socket:
    place = urlsplit(address)
    return socket.create_connection((place.hostname, place.port), timeout=60)


def sent(address: str, request: bytes) -> bytes:
    """All that is answered to bytes, until the other side hangs up."""
    with connection(address) as raw:
        raw.sendall(request)
        answer = b""
        while True:
            try:
                more = raw.recv(1 << 16)
            except ConnectionResetError:
                return answer
            if not more:
                return answer
            answer += more


@pytest.fixture(scope="module")
def secret(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Pushed:
    return pushed(site, tmp_path_factory.mktemp("x"), "vision/datasets/secret", {"key": SECRET})


@pytest.fixture(scope="module")
def reader(site: Site, cats: Pushed, secret: Pushed) -> Wire:
    """Who may read cats and nothing beside; the secret is in the cache."""
    assert site.wire()(f"{secret.root}/key").body == SECRET
    assert site.wire()(f"{secret.root}/key")["cache-status"] == "klarity; hit"
    return site.wire(site.user(("reader", cats.name)))


@pytest.mark.parametrize(
    "escape",
    [
        "{cats}/../../secret/{secret}/key",
        "{cats}/..%2f..%2fsecret%2f{secret}%2fkey",
        "{cats}/%2e%2e/%2e%2e/secret/{secret}/key",
        "{cats}/%252e%252e/%252e%252e/secret/{secret}/key",
        "{cats}/..;/..;/secret/{secret}/key",
        "{cats}/..\\..\\secret\\{secret}\\key",
        "{cats}/%5c..%5c..%5csecret%5c{secret}%5ckey",
        "{cats}//..//..//secret/{secret}/key",
        "{cats}/a.txt/../../../secret/{secret}/key",
        "{cats}/a.txt%00",
        "{cats}/a.txt%00.png",
        "{cats}/a.txt%0d%0aX-Evil:%201",
        "{cats}/%",
        "{cats}/%zz",
        "{cats}/%c0%ae%c0%ae/key",
        "{cats}/./a.txt/.",
        "{cats}//a.txt",
        "{cats}/_ks/manifest-{secret}.parquet",
        "../secret/{secret}/key",
        "../../../.ks/file",
        "../../../../.ks/file",
    ],
)
def test_no_address_leads_out(reader: Wire, cats: Pushed, secret: Pushed, escape: str) -> None:
    path = escape.format(cats=cats.hash, secret=secret.hash)
    heard = reader(f"/files/vision/datasets/cats/{path}")
    assert problem(heard)[0] in {400, 404}
    assert "x-evil" not in heard.headers
    assert SECRET not in heard.body


@pytest.mark.parametrize(
    "path",
    [
        "/.ks/file",
        "/.ks/decision",
        "/.ks/server",
        "/.ks/range",
        "/%2eks/file",
        "//.ks/file",
        "/.ks/../.ks/file",
        "//files/vision/datasets/secret/{secret}/key",
        "/%66iles/vision/datasets/secret/{secret}/key",
        "/files/../files/vision/datasets/secret/{secret}/key",
        "/files/./vision/datasets/secret/{secret}/key",
        "/files/vision/datasets/secret%2f{secret}/key",
        "/files/vision/datasets/SECRET/{secret}/key",
        "/files/vision/datasets/secret/{secret}/key",
        "/v1/../files/vision/datasets/secret/{secret}/key",
        "http://elsewhere/files/vision/datasets/secret/{secret}/key",
        "*",
    ],
)
def test_no_name_is_another(site: Site, reader: Wire, secret: Pushed, path: str) -> None:
    asked = path.format(secret=secret.hash)
    assert problem(reader(asked))[0] in {400, 404}
    nobody = site.wire("")(asked)
    assert problem(nobody)[0] in {400, 401, 404}


def test_an_absolute_address_is_this_one(site: Site, cats: Pushed) -> None:
    heard = site.wire()(f"http://elsewhere.example.org{cats.root}/a.txt")
    assert heard.body.startswith(b"The quick brown fox")


@pytest.mark.parametrize("number", [1_000, 20_000, 1_000_000])
def test_slashes(site: Site, cats: Pushed, number: int) -> None:
    for path in ("/" * number, f"{cats.root}{'/' * number}a.txt", f"/files{'/' * number}"):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        answer = sent(site.address, head)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ", b"HTTP/1.1 404 "))
        assert b"application/problem+json" in answer
    assert site.wire("")("/healthz").status == 200


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    ],
    ids=range(14),
)
def test_what_is_no_request(site: Site, request_line: bytes) -> None:
    answer = sent(site.address, request_line)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 "))
    assert b"application/problem+json" in answer
    assert b"<html" not in answer


def test_nothing_is_smuggled(site: Site, cats: Pushed) -> None:
    """The body of one request is never taken for the next."""
    hidden = f"GET /v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n\r\n"
    for head in (
        f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
    ):
        body = f"0\r\n\r\n{hidden}"
        asked = f"POST /v1/spaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{body}"
        answer = sent(site.address, asked.encode())
        assert b"administrator" not in answer
        assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "head",
    ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_on_get(site: Site, cats: Pushed, method: str, head: str) -> None:
    answer = sent(
        site.address,
        f"{method} {cats.root}/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {site.token}\r\n{head}".encode(),
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert method == "HEAD" or b"takes no body here" in answer


def test_a_body_that_is_too_large(site: Site) -> None:
    answer = sent(
        site.address,
        b"POST /v1/spaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Length: 2000000\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer


def test_http_1_0(site: Site, cats: Pushed) -> None:
    asked = f"GET {cats.root}/a.txt HTTP/1.0\r\nAuthorization: Bearer {site.token}\r\n\r\n"
    answer = sent(site.address, asked.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"lazy dog.\n")


HURRIED = "connections = 20\n[limits]\nhead_seconds = 2\nbody_seconds = 2\n"


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Pushed]]:
    """Who waits for nobody, and what is larger than all buffers on the way."""
    folder = tmp_path_factory.mktemp("hurried")
    with running_site(folder, HURRIED, stall=2) as site:
        with site.admin() as storage:
            storage.create_space("vision")
        version = pushed(site, folder / "trees", "vision/models/net", {"weights": bytes(48 << 20)})
        yield site, version


def hung_up(raw: socket.socket) -> float:
    """Seconds until the other side hangs up."""
    started = time.monotonic()
    try:
        while raw.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - started


@pytest.mark.parametrize("part", ["nothing", "half a head", "a head byte by byte", "half a body"])
@pytest.mark.parametrize("where", ["files", "s3"])
def test_slow_writers_are_hung_up_on(hurried: tuple[Site, Pushed], part: str, where: str) -> None:
    site, _ = hurried
    with connection(site.address if where == "files" else site.s3) as raw:
        done = threading.Event()
        if part == "half a head":
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        if part == "a head byte by byte":
            raw.sendall(b"GET / HTTP/1.1\r\nX: ")

            def drip() -> None:
                while not done.wait(0.2):
                    try:
                        raw.sendall(b"a")
                    except OSError:
                        return

            threading.Thread(target=drip, daemon=True).start()
        if part == "half a body":
            path = "/v1/spaces" if where == "files" else "/klarity/x"
            method = "POST" if where == "files" else "PUT"
            raw.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx".encode()
            )
        took = hung_up(raw)
        done.set()
    assert took < 30


def test_many_that_say_nothing_keep_nobody_out(hurried: tuple[Site, Pushed]) -> None:
    site, _ = hurried
    with ExitStack() as stack:
        for _ in range(500):
            raw = stack.enter_context(connection(site.address))
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert site.wire("")("/healthz").status == 200


def test_readers_that_take_nothing_are_cut_off_and_bounded(
    hurried: tuple[Site, Pushed], tmp_path: Path
) -> None:
    site, version = hurried
    path = f"{version.root}/weights"
    assert len(site.wire()(path).body) == 48 << 20
    asked = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n\r\n".encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connection(site.address)) for _ in range(20)]
        for raw in slow:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
            raw.sendall(asked)
            assert raw.recv(16).startswith(b"HTTP/1.1 200")
        refused = site.wire()(path)
        assert problem(refused) == (503, "busy")
        assert refused["retry-after"] == "1"
        full = Wire(site.s3)("/klarity/x")  # S3 has a way of its own to say so
        assert full.status == 503
        assert b"<Code>SlowDown</Code>" in full.body
        deadline = time.monotonic() + 60
        while (heard := site.wire()(path)).status == 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert heard.status == 200
