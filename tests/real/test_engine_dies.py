"""The engine is killed in the middle of a transfer, and comes back."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from obstore.store import S3Store

import klarity_storage as ks
from conftest import PlantTree, read_tree
from engine_proxy import spoiled
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.server.engines import supervise
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.versions.names import list_names
from server_fixture import start_server
from versions.transfers import Traffic, s3_options
from waiting import until

pytestmark = pytest.mark.real

MIB = 1024 * 1024
TREE = (
    {f"small/{i:03}": random.Random(i).randbytes(3000) for i in range(200)}
    | {f"middling/{i}": random.Random(i).randbytes(2 * MIB) for i in range(6)}
    | {f"large/{i}": random.Random(i).randbytes(24 * MIB) for i in range(2)}
)

SIZE = sum(map(len, TREE.values()))
NAME = "vision/datasets/cats"


def once(phase: str, after: int, act: Callable[[], None]) -> ks.OnProgress:
    """Act when so many bytes are through."""
    done: list[ks.Progress] = []

    def look(progress: ks.Progress) -> None:
        if progress.phase == phase and progress.done_bytes >= after and not done:
            done.append(progress)
            act()

    return look


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeaweedEngine]:
    """An engine that does not come back by itself."""
    monkeypatch.setattr(supervise, "FIRST_WAIT", 3600.0)
    with SeaweedEngine(tmp_path / "data") as engine:
        yield engine


def kill(engine: SeaweedEngine) -> None:
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    until(lambda: engine.pid is None)


def start_again(engine: SeaweedEngine) -> None:
    """On the same folder and ports."""
    before = engine.credentials
    engine.stop()
    engine.start()
    assert engine.credentials == before


@contextmanager
def impatient(engine: SeaweedEngine) -> Iterator[tuple[Storage, Traffic]]:
    """Storage that gives an engine a second to come back, and what it moved."""
    traffic = Traffic()
    options = s3_options(engine.credentials)
    with spoiled(engine.credentials.endpoint, traffic.count) as endpoint:
        options |= {"endpoint": endpoint}
        retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=1)}
        store = S3Store(**options, retry_config=retries)  # type: ignore[arg-type]
        yield Storage(LocalBackend(store), "the test"), traffic


@pytest.mark.parametrize("after", [1 * MIB, 30 * MIB])
def test_a_push_whose_engine_died_fails_and_the_next_sends_what_is_missing(
    own: SeaweedEngine, plant: PlantTree, tmp_path: Path, after: int
) -> None:
    root = plant(TREE)
    with impatient(own) as (storage, _):
        with pytest.raises(ks.UnavailableError) as failure:
            storage.push(NAME, root, progress=once("uploading", after, lambda: kill(own)))
        assert failure.value.hint
        start_again(own)
        stored = sum(meta["size"] for page in own.store.list(f"{NAME}/") for meta in page)
        assert list_names(own.store, "vision", ks.Kind.DATASETS) == []
    with impatient(own) as (storage, traffic):
        version = storage.push(NAME, root)
        assert traffic.sent <= SIZE - stored + MIB // 4  # and lists, manifest and log
        assert read_tree(version.download(tmp_path / "out")) == TREE
        assert storage.verify(version.ref).whole


def test_a_pull_whose_engine_died_fails_and_the_next_fetches_what_is_missing(
    own: SeaweedEngine, plant: PlantTree, tmp_path: Path
) -> None:
    Storage(LocalBackend(own.store), "the test").push(NAME, plant(TREE))
    out = tmp_path / "out"
    with impatient(own) as (storage, _):
        version = storage.get_version(NAME)
        with pytest.raises(ks.UnavailableError) as failure:
            version.download(out, progress=once("downloading", 20 * MIB, lambda: kill(own)))
    assert "it goes on where it was" in (failure.value.hint or "")
    whole = {
        path: data for path, data in read_tree(out).items() if not path.startswith(".ks-pull-")
    }
    assert whole.items() <= TREE.items()
    assert len(list(out.glob(".ks-pull-*/*.part"))) == 2
    there = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    start_again(own)
    with impatient(own) as (storage, traffic):
        version = storage.get_version(NAME)
        version.files()
        traffic.received = 0
        version.download(out)
    assert traffic.received <= SIZE - there + MIB // 4
    assert read_tree(out) == TREE


def test_a_push_and_a_pull_ride_out_an_engine_that_the_server_starts_again(
    plant: PlantTree, tmp_path: Path
) -> None:
    root = plant(TREE)
    process, address, token = start_server(tmp_path / "server")
    pid_file = tmp_path / "server" / "engine" / "engine.pid"
    unready: list[dict[str, str]] = []

    def die() -> None:
        os.kill(int(pid_file.read_bytes()), signal.SIGKILL)
        until(lambda: ready().status_code == 503)
        unready.append(ready().json()["parts"])

    def ready() -> httpx.Response:
        return httpx.get(f"{address}/readyz", timeout=60)

    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
            version = storage.push(NAME, root, progress=once("uploading", 20 * MIB, die))
            until(lambda: ready().status_code == 200)
            out = version.download(tmp_path / "out", progress=once("downloading", 20 * MIB, die))
            assert read_tree(out) == TREE
        told = ("does not answer", "is being started again")  # before it is noticed, and after
        assert any(words in unready[0]["engine"] for words in told)
        assert len(unready) == 2
        until(lambda: ready().status_code == 200)
    finally:
        process.terminate()
        process.wait(30)
