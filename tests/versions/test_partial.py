"""A pull goes on within large files, takes over what others left, and treads on nobody."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.cache.evict import ABANDONED, make_room
from klarity_storage.cache.files import Cache
from klarity_storage.cache.folder import cache_folder
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.client.version import Version
from klarity_storage.server.engines.seaweed import SeaweedEngine
from versions.support import Wrapped
from versions.transfers import counted, killed, s3_options

MIB = 1024 * 1024
NAME = "vision/datasets/cats"
LARGE = random.Random(7).randbytes(30 * MIB)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.part"))


@pytest.mark.parametrize("keep", [False, True])
def test_a_killed_pull_of_a_large_file_fetches_only_what_is_missing(
    engine: SeaweedEngine, plant: PlantTree, space: str, tmp_path: Path, keep: bool
) -> None:
    name = f"{space}/datasets/cats"
    root = plant({"large": LARGE, "small": b"1"})
    Storage(LocalBackend(engine.store), "the test").push(name, root)
    out = tmp_path / "out"
    given = {"s3": s3_options(engine.credentials), "name": name, "out": str(out), "keep": keep}
    killed(given | {"after": 27 * MIB})
    (part,) = parts(cache_folder() if keep else out)
    there = part.stat().st_size
    assert 0.8 * len(LARGE) < there < len(LARGE)
    assert not (out / "large").exists()

    with counted(engine.credentials) as (store, traffic):
        storage = Storage(LocalBackend(store), "again")
        seen: list[ks.Progress] = []
        version = storage.get_version(name)
        version.files()
        traffic.received = 0
        version.download(out, keep=keep, progress=seen.append)
    assert len(LARGE) - there <= traffic.received <= len(LARGE) - there + 4096
    assert read_tree(out) == {"large": LARGE, "small": b"1"}
    assert seen[-1].done_bytes == seen[-1].total_bytes
    assert not list(cache_folder().glob("partial-*"))


@pytest.fixture
def version(plant: PlantTree) -> Version:
    store = MemoryStore()
    return Storage(LocalBackend(store), "the test").push(NAME, plant({"large": LARGE, "a": b"1"}))


def watched(version: Version, watch: Any) -> tuple[Version, list[int]]:
    """The same version over a store that calls before each range, and how many bytes were asked."""
    store = version._backend.reading_store(version.name)
    asked: list[int] = []

    def get_range(path: str, *, start: int, length: int) -> Any:
        watch(start)
        asked.append(length)
        return store.get_range(path, start=start, length=length)

    backend: Any = LocalBackend(Wrapped(store, get_range=get_range))  # type: ignore[arg-type]
    return Version(backend, version.info), asked


def stopped(version: Version, out: Path, error: BaseException, at: int = 20 * MIB) -> None:
    """A pull that fails when it is so far in the large file."""

    def fail(start: int) -> None:
        if start >= at:
            raise error

    with pytest.raises((ks.StorageError, KeyboardInterrupt)):
        watched(version, fail)[0].download(out)


@pytest.mark.parametrize("error", [OSError("no route"), KeyboardInterrupt()], ids=repr)
def test_a_pull_that_failed_or_was_interrupted_goes_on(
    version: Version, tmp_path: Path, error: BaseException
) -> None:
    out = tmp_path / "out"
    stopped(version, out, error)
    there = parts(out)[0].stat().st_size
    assert there >= 8 * MIB
    again, asked = watched(version, lambda start: None)
    assert read_tree(again.download(out)) == {"large": LARGE, "a": b"1"}
    assert sum(asked) == len(LARGE) - there  # the small file was whole


def test_the_failure_says_how_to_go_on(version: Version, tmp_path: Path) -> None:
    def fail(start: int) -> None:
        raise OSError("no route")

    with pytest.raises(ks.UnavailableError) as failure:
        watched(version, fail)[0].download(tmp_path / "out")
    assert failure.value.hint
    assert "goes on where it was" in failure.value.hint


@pytest.mark.parametrize("damage", ["altered", "too long", "a link", "a folder"])
def test_a_beginning_that_does_not_fit_is_thrown_away(
    version: Version, tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "out"
    stopped(version, out, OSError("no route"))
    (part,) = parts(out)
    data = part.read_bytes()
    outside = tmp_path / "outside"
    outside.write_bytes(data)
    part.unlink()
    if damage == "altered":
        part.write_bytes(data[:5] + b"?" + data[6:])
    elif damage == "too long":
        part.write_bytes(LARGE + b"more")
    elif damage == "a link":
        part.symlink_to(outside)
    else:
        part.mkdir()
    version.download(out)
    assert read_tree(out) == {"large": LARGE, "a": b"1"}
    assert outside.read_bytes() == data


def test_damaged_storage_leaves_no_beginning(version: Version, tmp_path: Path) -> None:
    store = version._backend.reading_store(version.name)
    out = tmp_path / "out"
    stopped(version, out, OSError("no route"))
    key = f"{NAME}/{version.hash}/large"
    store.put(key, LARGE[:-1] + b"?")
    with pytest.raises(ks.IntegrityError, match="large"):
        version.download(out)
    assert read_tree(out) == {"a": b"1"}


def test_beginnings_of_other_files_are_cleaned_away(
    version: Version, plant: PlantTree, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    stopped(version, out, OSError("no route"))
    other = ks.connect(tmp_path / "store").push(NAME, plant({"b": b"2"}, "other"))
    other.download(out)
    assert read_tree(out) == {"a": b"1", "b": b"2"}


def test_two_files_of_one_content_do_not_share_a_beginning(
    plant: PlantTree, tmp_path: Path
) -> None:
    tree = {"one": LARGE, "two": LARGE}
    version = Storage(LocalBackend(MemoryStore()), "the test").push(NAME, plant(tree))
    assert read_tree(version.download(tmp_path / "out")) == tree


def test_a_pull_leaves_the_folder_of_one_that_runs_alone(version: Version, tmp_path: Path) -> None:
    out = tmp_path / "out"
    began: list[int] = []

    def another(start: int) -> None:
        if start >= 20 * MIB and not began:
            began.append(start)
            version.download(out)
            assert len(parts(out)) == 1

    again, _ = watched(version, another)
    assert read_tree(again.download(out)) == {"large": LARGE, "a": b"1"}
    assert began


@pytest.mark.parametrize("path", ["large", "a"])
def test_what_comes_to_the_destination_meanwhile_is_not_overwritten(
    version: Version, tmp_path: Path, path: str
) -> None:
    out = tmp_path / "out"

    def meddle(start: int) -> None:
        (out / path).write_bytes(b"mine")

    with pytest.raises(ks.AlreadyExistsError, match=path):
        watched(version, meddle)[0].download(out)
    assert (out / path).read_bytes() == b"mine"


def test_processes_pull_into_one_destination_at_once(plant: PlantTree, tmp_path: Path) -> None:
    tree = {f"{i:03}": os.urandom(20_000) for i in range(300)} | {"large": LARGE}
    ks.connect(tmp_path / "store").push(NAME, plant(tree))
    program = f"""
import klarity_storage as ks
ks.connect({str(tmp_path / "store")!r}).get_version({NAME!r}).download({str(tmp_path / "out")!r})
"""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    assert read_tree(tmp_path / "out") == tree


def test_the_cache_sweeps_beginnings_that_nobody_goes_on_with(
    plant: PlantTree, tmp_path: Path
) -> None:
    store: ObjectStore = LocalStore(tmp_path / "store", mkdir=True)
    name = NAME
    Storage(LocalBackend(store), "the test").push(name, plant({"large": LARGE}))
    given = {"folder": str(tmp_path / "store"), "name": name, "out": str(tmp_path / "out")}
    killed(given | {"after": 20 * MIB, "keep": True})
    (part,) = parts(cache_folder())
    make_room(Cache.open(make=True))
    assert part.exists()
    for file in (part, part.parent):
        past = file.stat().st_mtime - ABANDONED - 60
        os.utime(file, (past, past))
    make_room(Cache.open(make=True))
    assert not part.parent.exists()
