"""What queries may not do to the server, or to each other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from server.queries.conftest import Small
from waiting import until

pytestmark = pytest.mark.real

ENDLESS = "select count(*) from lab.numbers a, lab.numbers b where a.text like '%' || b.text"
DOUBLED = "".join(
    f", t{i} as (select * from t{i - 1} union all select * from t{i - 1})" for i in range(1, 26)
)
COUNT = "select count(*) as n from lab.numbers"


def ask(client: httpx.AsyncClient, sql: str) -> Awaitable[httpx.Response]:
    return client.post("/v1/sql", json={"query": sql})


def running(small: Small) -> bool:
    """Whether one query is."""
    headers = {"Authorization": f"Bearer {small.token}"}
    told = httpx.get(f"{small.address}/metrics", headers=headers).text
    return 'ks_queries{state="running"} 1.0\n' in told


def worked(small: Small) -> float:
    """Seconds that the processes have worked."""
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in small.workers()]
    times = [stat.rpartition(")")[2].split()[11:13] for stat in stats]
    return sum(int(ticks) for both in times for ticks in both) / os.sysconf("SC_CLK_TCK")


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    return found


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (ENDLESS, "longer than 6 s"),
        ("select array_agg(text || repeat('x', 20000)) from lab.numbers", "more memory"),
        ("select " + "+".join(["1"] * 40_000), "too complex"),
        (f"with t0 as (select 1){DOUBLED} select count(*) from t25", ""),
    ],
    ids=["endless", "memory", "deep", "exponential"],
)
def test_a_query_that_takes_too_much_ends_and_nothing_else_does(
    small: Small, sql: str, told: str
) -> None:
    async def run() -> None:
        async with small.client() as client, small.client(small.user_token("eve")) as eve:
            before = time.monotonic()
            greedy = asyncio.ensure_future(ask(client, sql))
            slowest = 0.0
            while not greedy.done():
                started = time.monotonic()
                assert (await client.get("/healthz")).text == "ok\n"
                slowest = max(slowest, time.monotonic() - started)
                assert rows(await ask(eve, COUNT)) == [{"n": 100_000}]
                await asyncio.sleep(0.05)
            answer = await greedy
            assert answer.status_code == 422, answer.text
            assert answer.json()["code"] == "query_limit"
            assert told in answer.json()["detail"]
            assert time.monotonic() - before < 30
            assert slowest < 1
            assert rows(await ask(client, COUNT)) == [{"n": 100_000}]

    asyncio.run(run())


def test_an_answer_with_too_many_rows_ends_in_its_problem(small: Small) -> None:
    async def run() -> None:
        async with small.client() as client:
            part = "select text from lab.{}"
            many = " union all ".join(map(part.format, ("numbers", "numbers", "few")))
            answer = await ask(client, many)
            assert answer.status_code == 200
            with pytest.raises(pa.ArrowInvalid, match="Expected to read"):
                pa.ipc.open_stream(answer.content).read_all()
            start = answer.content.rindex(b"\xff\xff\xff\xff") + 8
            problem = json.loads(answer.content[start:])
            [size] = struct.unpack("<i", answer.content[start - 4 : start])
            assert size == len(answer.content) - start + 1
            assert problem["code"] == "query_limit"
            assert problem["detail"] == "The answer has more than 200000 rows."
            assert problem["request_id"] == answer.headers["X-Request-Id"]
            refused = await client.post(
                "/v1/spaces/lab/tables/numbers/query", json={"limit": 200_001}
            )
            assert refused.status_code == 422

    asyncio.run(run())


def test_a_client_that_goes_away_stops_its_query(small: Small) -> None:
    async def run() -> None:
        async with small.client() as client:
            await ask(client, COUNT)
            for sql in (ENDLESS, "select a.text from lab.few a, lab.few b"):
                async with small.client() as leaving:
                    stream = leaving.stream("POST", "/v1/sql", json={"query": sql})
                    if sql is ENDLESS:
                        with pytest.raises(TimeoutError):
                            async with asyncio.timeout(0.5), stream:
                                pass
                    else:
                        async with stream as answer:
                            async for _ in answer.aiter_raw(1000):
                                break
                # its turn is free again long before its time is over
                started = time.monotonic()
                while (answer := await ask(client, COUNT)).status_code == 503:
                    assert time.monotonic() - started < 3
                assert rows(answer) == [{"n": 100_000}]
                assert time.monotonic() - started < 3

    asyncio.run(run())


def test_a_caller_waits_behind_themselves_and_is_refused_when_too_many_wait(small: Small) -> None:
    async def run() -> None:
        async with small.client() as client, small.client(small.user_token("eve")) as eve:
            greedy = [asyncio.ensure_future(ask(client, ENDLESS)) for _ in range(3)]
            await asyncio.to_thread(until, lambda: running(small))
            assert rows(await ask(eve, COUNT)) == [{"n": 100_000}]
            answers = await asyncio.gather(*greedy)
            codes = sorted(answer.json()["code"] for answer in answers)
            assert codes == ["busy", "busy", "query_limit"]
            busy = next(answer for answer in answers if answer.json()["code"] == "busy")
            assert busy.status_code == 503
            assert busy.headers["Retry-After"] == "1"

    asyncio.run(run())


def test_processes_hold_no_key_and_leave_nothing(small: Small) -> None:
    async def run() -> None:
        async with small.client() as client:
            spilling = "select text from lab.numbers order by text"
            assert (await ask(client, spilling)).status_code == 200
        [*workers] = small.workers()
        assert workers
        for worker in workers:
            environment = (Path("/proc") / str(worker) / "environ").read_text()
            assert "KS_" not in environment
            assert "AWS" not in environment
        folders = {path.name for path in (small.data / "queries").iterdir()}
        assert len(folders) == len(workers)

    asyncio.run(run())


def test_a_killed_process_is_replaced(small: Small) -> None:
    async def run() -> None:
        async with small.client() as client:
            assert rows(await ask(client, COUNT)) == [{"n": 100_000}]
            for worker in small.workers():
                os.kill(worker, signal.SIGKILL)
            assert rows(await ask(client, COUNT)) == [{"n": 100_000}]
            before = worked(small)
            slow = asyncio.ensure_future(ask(client, ENDLESS))
            await asyncio.to_thread(until, lambda: worked(small) > before + 0.3)
            for worker in small.workers():
                os.kill(worker, signal.SIGKILL)
            assert (await slow).status_code == 422

    asyncio.run(run())
