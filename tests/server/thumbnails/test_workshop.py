"""The processes that draw: what an image does to one of them harms nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from PIL import Image

from klarity_storage.errors import BusyError, NotAnImageError, StorageError, UnreadableImageError
from klarity_storage.server.settings.sections import ThumbnailSettings
from klarity_storage.server.thumbnails import workshop as workshop_module
from klarity_storage.server.thumbnails.process import Process
from klarity_storage.server.thumbnails.workshop import Workshop
from server.thumbnails.pictures import bombs, decoded, encoded, photograph

PHOTO = encoded(photograph(), "PNG")
Fetch = Callable[[], Awaitable[bytes]]


def fetched(data: bytes) -> Fetch:
    async def fetch() -> bytes:
        return data

    return fetch


def run(
    go: Callable[[Workshop], Awaitable[None]], settings: ThumbnailSettings | None = None
) -> set[int]:
    """Do something with a workshop, and tell which processes it had at the end."""

    async def work() -> set[int]:
        workshop = Workshop(settings or ThumbnailSettings())
        try:
            await go(workshop)
            return processes(workshop)
        finally:
            workshop.close()
            await asyncio.sleep(0)  # connections are closed in the next round of the loop

    return asyncio.run(work())


def processes(workshop: Workshop) -> set[int]:
    return {process.pid for process in workshop._all}


def test_one_process_draws_one_thumbnail_after_the_other() -> None:
    async def go(workshop: Workshop) -> None:
        assert decoded(await workshop.draw(fetched(PHOTO), 64)).size == (64, 40)
        before = processes(workshop)
        assert len(before) == 1
        for data, error in ((b"text", NotAnImageError), (bombs()["png"], UnreadableImageError)):
            with pytest.raises(error):
                await workshop.draw(fetched(data), 64)
        assert decoded(await workshop.draw(fetched(PHOTO), 128)).size == (128, 80)
        assert processes(workshop) == before

    (pid,) = run(go)
    assert not Path(f"/proc/{pid}").exists()


def test_a_few_draw_at_once_and_no_more() -> None:
    async def go(workshop: Workshop) -> None:
        drawn = await asyncio.gather(*(workshop.draw(fetched(PHOTO), 64) for _ in range(20)))
        assert len(set(drawn)) == 1
        assert 1 <= len(processes(workshop)) <= 2

    run(go)


def test_nothing_is_fetched_before_its_turn() -> None:
    held = 0

    async def fetch() -> bytes:
        nonlocal held
        held += 1
        assert held <= 2
        await asyncio.sleep(0)
        held -= 1
        return PHOTO

    async def go(workshop: Workshop) -> None:
        await asyncio.gather(*(workshop.draw(fetch, 64) for _ in range(10)))

    run(go)


def test_memory_is_bounded() -> None:
    """Of pixels that are allowed, too: here by a limit that is too small for them."""
    large = encoded(Image.new("RGB", (6000, 6000)), "PNG")  # 144 MB as they are decoded

    async def go(workshop: Workshop) -> None:
        with pytest.raises(UnreadableImageError, match=r"memory|damaged|ends"):
            await workshop.draw(fetched(large), 64)
        assert decoded(await workshop.draw(fetched(PHOTO), 64)).size == (64, 40)

    run(go, ThumbnailSettings(memory=64 << 20))


def test_time_is_bounded() -> None:
    async def go(workshop: Workshop) -> None:
        await workshop.draw(fetched(PHOTO), 64)
        (pid,) = processes(workshop)
        os.kill(pid, signal.SIGSTOP)  # as an image would that is decoded for ever
        begun = time.monotonic()
        with pytest.raises(UnreadableImageError, match="longer than 4 s"):
            await workshop.draw(fetched(PHOTO), 64)
        assert time.monotonic() - begun < 20
        assert pid not in processes(workshop)
        assert decoded(await workshop.draw(fetched(PHOTO), 64)).size == (64, 40)

    run(go, ThumbnailSettings(seconds=4, at_once=1))


def test_an_image_that_crashes_a_process_is_refused() -> None:
    async def go(workshop: Workshop) -> None:
        await workshop.draw(fetched(PHOTO), 64)
        (pid,) = processes(workshop)
        os.kill(pid, signal.SIGSEGV)
        with pytest.raises(UnreadableImageError, match="ends the process"):
            await workshop.draw(fetched(PHOTO), 64)
        assert processes(workshop) == set()
        assert decoded(await workshop.draw(fetched(PHOTO), 64)).size == (64, 40)

    run(go, ThumbnailSettings(at_once=1))


def test_a_failed_read_costs_no_process_and_no_turn() -> None:
    async def broken() -> bytes:
        raise StorageError("The engine is away.")

    async def go(workshop: Workshop) -> None:
        for _ in range(5):
            with pytest.raises(StorageError, match="away"):
                await workshop.draw(broken, 64)
        assert processes(workshop) == set()
        assert await workshop.draw(fetched(PHOTO), 64)

    run(go)


def test_whoever_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop_module, "PATIENCE", 0.05)

    async def go(workshop: Workshop) -> None:
        release = asyncio.Event()

        async def slow() -> bytes:
            await release.wait()
            return PHOTO

        first = asyncio.create_task(workshop.draw(slow, 64))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await workshop.draw(fetched(PHOTO), 64)
        release.set()
        assert await first

    run(go, ThumbnailSettings(at_once=1))


def test_a_process_that_is_left_in_the_middle_is_ended() -> None:
    async def go(workshop: Workshop) -> None:
        await workshop.draw(fetched(PHOTO), 64)
        (pid,) = processes(workshop)
        os.kill(pid, signal.SIGSTOP)
        leaving = asyncio.create_task(workshop.draw(fetched(PHOTO), 64))
        await asyncio.wait({leaving}, timeout=0.2)
        assert not workshop._idle
        leaving.cancel()
        await asyncio.wait({leaving})
        assert processes(workshop) == set()
        assert await workshop.draw(fetched(PHOTO), 64)

    run(go, ThumbnailSettings(at_once=1))


def test_processes_are_replaced_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop_module, "JOBS", 2)

    async def go(workshop: Workshop) -> None:
        pids = set()
        for _ in range(4):
            await workshop.draw(fetched(PHOTO), 64)
            pids |= processes(workshop)
        assert len(pids) == 2

    run(go, ThumbnailSettings(at_once=1))


def test_a_process_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KS_S3_SECRET_ACCESS_KEY", "very secret")
    process = Process(ThumbnailSettings())
    try:
        assert b"very secret" not in Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"secret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.end()
