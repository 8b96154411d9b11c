"""What Granian does with callers that are slow, many, or say nothing: nobody else waits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from certificate_fixture import Authority, authority
from klarity_storage.server import door as module
from klarity_storage.server.door import Door
from klarity_storage.server.listen import listen
from klarity_storage.server.settings.sections import LimitsSettings, ServerSettings, TlsSettings
from klarity_storage.server.tls.read import Certificate, read_certificate

__all__ = ["authority"]

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATIENCE = 20.0

Serve = Callable[[Any, Any, Any], Awaitable[None]]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, then say ok."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(
    app: Serve = answer, certificate: Certificate | None = None, **limits: int
) -> AsyncIterator[tuple[Door, int]]:
    with listen(ServerSettings(port=0)) as listener:
        door = Door(app, listener, LimitsSettings(**limits), certificate)
        task = asyncio.create_task(door.serve())
        try:
            yield door, listener.getsockname()[1]
        finally:
            await door.drain(task)


async def said(
    port: int, content: bytes, *, trusted: ssl.SSLContext | None = None
) -> tuple[bytes, float]:
    """What is answered until the server closes, and how many seconds that took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
    try:
        writer.write(content)
        async with asyncio.timeout(PATIENCE):
            return await reader.read(), loop.time() - begun
    except ConnectionResetError:
        return b"", loop.time() - begun
    finally:
        writer.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01"],
    ids=["nothing", "half a line", "half a head", "half of HTTP/2", "half of TLS"],
)
def test_who_says_nothing_is_not_waited_for(content: bytes) -> None:
    async def work() -> None:
        async with serving(head_seconds=1) as (_, port):
            _, seconds = await said(port, content)
            assert seconds < PATIENCE / 2

    asyncio.run(work())


def test_a_connection_that_idles_is_closed() -> None:
    async def work() -> None:
        async with serving(head_seconds=1) as (_, port):
            text, seconds = await said(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert text.endswith(b"ok")
            assert 0.9 < seconds < PATIENCE / 2

    asyncio.run(work())


def test_silent_connections_keep_nobody_out_for_long() -> None:
    async def work() -> None:
        async with serving(head_seconds=1, connections=8) as (_, port):
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            text, seconds = await said(port, GET)
            assert text.endswith(b"ok")
            assert seconds < PATIENCE / 2
            for _, writer in silent:
                writer.close()

    asyncio.run(work())


def test_more_silent_connections_than_granian_takes_by_default_keep_nobody_out() -> None:
    async def work() -> None:
        async with serving() as (_, port):
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
            text, seconds = await said(port, GET)
            assert text.endswith(b"ok")
            assert seconds < 5
            for _, writer in silent:
                writer.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    "head",
    [b"X-Long: " + b"x" * 100_000 + b"\r\n", b"X-Many: x\r\n" * 200],
    ids=["long", "many"],
)
def test_a_head_has_a_size(head: bytes) -> None:
    async def work() -> None:
        async with serving() as (_, port):
            text, _ = await said(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert text.startswith(b"HTTP/1.1 431 ")

    asyncio.run(work())


@pytest.mark.parametrize(
    "head",
    [
        b"X-A: a\r\n B: folded\r\n",
        b"X-A: a\rX-B: b\r\n",
        b"X-A: a\0b\r\n",
        b"X A: a\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Content-Length: +1\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
    ],
    ids=["folded", "CR", "NUL", "space", "two lengths", "signed length", "other encoding"],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    async def work() -> None:
        async with serving() as (_, port):
            text, _ = await said(port, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
            assert text.startswith(b"HTTP/1.1 400 ")

    asyncio.run(work())


def test_a_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_PATIENCE", 0.5)

    async def work() -> float:
        reading = asyncio.Event()

        async def read(scope: Any, receive: Any, send: Any) -> None:
            reading.set()
            await answer(scope, receive, send)

        async with serving(read) as (_, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
            await asyncio.wait_for(reading.wait(), PATIENCE)  # the rest of the body never comes
            begun = asyncio.get_running_loop().time()
        writer.close()
        return asyncio.get_running_loop().time() - begun

    assert asyncio.run(work()) < PATIENCE / 2


def test_a_certificate_is_renewed_and_nobody_is_cut(authority: Authority) -> None:
    pair, next_pair = authority.sign("one"), authority.sign("two")
    first, second = pair.der, next_pair.der
    settings = TlsSettings(certificate=str(pair.certificate), key=str(pair.key))
    trusted = ssl.create_default_context(cafile=authority.file)
    entered, go = asyncio.Event(), asyncio.Event()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/wait":
            entered.set()
            await go.wait()
        assert scope["scheme"] == "https"
        await answer(scope, receive, send)

    async def shown(port: int) -> Any:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
        except ConnectionResetError:  # it was just being made
            return None
        writer.close()
        return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)

    async def work() -> None:
        async with serving(wait, read_certificate(settings, Path())) as (door, port):
            assert await shown(port) == first
            waiting = asyncio.create_task(
                said(port, GET.replace(b"/ ", b"/wait "), trusted=trusted)
            )
            await entered.wait()
            for _ in range(3):
                pair.replace(next_pair)
                door.renew()
                async with asyncio.timeout(PATIENCE):
                    while await shown(port) != second:
                        pass
            go.set()
            assert (await waiting)[0].endswith(b"ok")
            await asyncio.gather(*door._leaving)
            assert (await said(port, GET, trusted=trusted))[0].endswith(b"ok")

    asyncio.run(work())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_is_spoken_and_http_is_not(authority: Authority, version: ssl.TLSVersion) -> None:
    pair = authority.sign()
    settings = TlsSettings(certificate=str(pair.certificate), key=str(pair.key))
    trusted = ssl.create_default_context(cafile=authority.file)
    trusted.minimum_version = trusted.maximum_version = version

    async def work() -> None:
        async with serving(certificate=read_certificate(settings, Path())) as (_, port):
            assert (await said(port, GET, trusted=trusted))[0].endswith(b"ok")
            assert not (await said(port, GET))[0].startswith(b"HTTP/1.1 200")

    asyncio.run(work())


def test_the_listener_stays_its_owners() -> None:
    async def work() -> None:
        with listen(ServerSettings(port=0)) as listener:
            door = Door(answer, listener, LimitsSettings())
            task = asyncio.create_task(door.serve())
            text, _ = await said(listener.getsockname()[1], GET)
            assert text.endswith(b"ok")
            await door.drain(task)
            assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    asyncio.run(work())
