from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar

from control_fixture import Api, Control, MemoryEngine
from klarity_storage.server.app import create_app
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.catalog import identity
from klarity_storage.server.services import Services, open_services
from klarity_storage.server.settings.sections import LimitsSettings, Settings

LIMITS = LimitsSettings(requests=3, body_seconds=1, guesses=5, body_bytes=1000)


@pytest.fixture
def services(tmp_path: Path, memory_engine: MemoryEngine) -> Iterator[Services]:
    opened = open_services(Settings(data=tmp_path, limits=LIMITS), [Bucket("main", memory_engine)])
    yield opened
    opened.close()


def client(app: Litestar, token: str | None = None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def test_so_many_at_once_and_the_rest_is_told_to_come_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, app = first_token(services), create_app(services, limits=LIMITS)

    async def work() -> None:
        loop, entered, go = asyncio.get_running_loop(), asyncio.Semaphore(0), asyncio.Event()
        whoami = identity.identify

        def wait(context: Any) -> Any:
            loop.call_soon_threadsafe(entered.release)
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
            return whoami(context)

        monkeypatch.setattr(identity, "identify", wait)
        async with client(app, token) as http:
            asking = [asyncio.create_task(http.get("/v1/whoami")) for _ in range(3)]
            for _ in asking:
                await entered.acquire()
            answer = await http.get("/v1/spaces")
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
            assert answer.headers["Retry-After"] == "1"
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await http.get(path)).status_code == 200, path
            go.set()
            assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}
            assert (await http.get("/v1/spaces")).status_code == 200

    asyncio.run(work())


def test_a_body_that_trickles_is_refused(services: Services) -> None:
    token, app = first_token(services), create_app(services, limits=LIMITS)

    async def trickle() -> AsyncIterator[bytes]:
        yield b'{"key": '
        await asyncio.sleep(60)
        raise AssertionError("somebody waited")

    async def work() -> None:
        async with client(app, token) as http:
            answer = await http.post("/v1/spaces", content=trickle())
            assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")
            answer = await http.post("/v1/spaces", content=b" " * 1001)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    asyncio.run(work())


def test_guessing_is_slowed_and_those_who_are_known_are_not(control: Control) -> None:
    control.services.guesses._most = 5
    alice = control.user("alice")
    alice.ok("GET", "/v1/whoami")
    for number in range(5):
        Api(control.http, f"ks_{number:043d}").fails(401, "GET", "/v1/whoami")
    answer = Api(control.http, f"ks_{9:043d}")("GET", "/v1/whoami")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    # one that nobody has shown before looks like any guess, good or not
    assert Api(control.http, control.token("alice"))("GET", "/v1/whoami").status_code == 429
    alice.ok("GET", "/v1/whoami")
    assert control.audit(answer.headers["X-Request-Id"]) == []
    text = control.admin("GET", "/metrics").text
    assert 'ks_authentication_failures_total{reason="unauthenticated"} 5.0' in text
    assert 'ks_authentication_failures_total{reason="rate_limited"} 2.0' in text


def test_requests_without_a_token_are_no_guesses(control: Control) -> None:
    control.services.guesses._most = 5
    for _ in range(20):
        control.stranger.fails(401, "GET", "/v1/whoami")
    control.user("alice").ok("GET", "/v1/whoami")
