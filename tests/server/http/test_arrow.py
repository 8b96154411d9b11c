"""How rows end whose query fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from klarity_storage.server.http.arrow import ArrowResponse
from klarity_storage.server.queries.encode import Encoder
from klarity_storage.server.queries.frames import Letter
from klarity_storage.server.queries.run import Answer

ROWS = pa.record_batch({"n": list(range(1000))})


class Ended:
    """A process of queries that wrote these frames and was gone."""

    def __init__(self, frames: list[tuple[Letter, bytes]]) -> None:
        self._frames = frames

    async def read(self) -> tuple[Letter, bytes] | None:
        return self._frames.pop(0) if self._frames else None


def sent(frames: list[tuple[Letter, bytes]]) -> bytes:
    """The body that a caller gets of them."""
    body = bytearray()

    @asynccontextmanager
    async def query() -> AsyncGenerator[Answer]:
        process: Any = Ended(frames)
        yield Answer(process, lambda _: None, lambda: None, seconds=60)  # type: ignore[arg-type, return-value]

    async def send(message: Any) -> None:
        body.extend(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope: Any = {"type": "http", "headers": [], "state": {}}
    asyncio.run(ArrowResponse(query())(scope, receive, send))
    return bytes(body)


def pieces() -> bytes:
    encoder = Encoder(ROWS.schema)
    encoder.add(ROWS)
    return b"".join(encoder.take())


def test_between_two_messages_the_problem_is_told() -> None:
    whole = pieces()
    found = sent([(Letter.DATA, whole)])
    assert found.startswith(whole)
    assert msgspec.json.decode(found[len(whole) + 8 :])["code"] == "query_limit"
    stream = pa.ipc.open_stream(found)
    assert stream.read_next_batch().equals(ROWS)
    with pytest.raises(pa.ArrowInvalid):
        stream.read_next_batch()


@pytest.mark.parametrize("lacking", [1, 100])
def test_in_the_midst_of_one_nothing_follows_that_could_be_rows(lacking: int) -> None:
    cut = pieces()[:-lacking]
    found = sent([(Letter.PART, cut)])
    assert found == cut
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pa.ipc.open_stream(found).read_all()
