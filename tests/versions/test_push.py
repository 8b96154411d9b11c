"""Pushes that go wrong: nothing is committed."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.protocol.credentials import Adding
from klarity_storage.versions.names import list_names
from versions.support import Wrapped, keys_below


@pytest.mark.parametrize("size", [10, 20_000_000], ids=["whole", "in parts"])
@pytest.mark.parametrize("change", ["content", "length", "removed"])
def test_a_file_that_changes_meanwhile_is_not_committed(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, size: int, change: str
) -> None:
    root = plant({"a": b"x" * size})

    def meddle(progress: ks.Progress) -> None:
        if progress.phase != "uploading" or progress.done_bytes:
            return
        if change == "content":
            with (root / "a").open("r+b") as file:
                file.seek(size - 1)
                file.write(b"y")
        elif change == "length":
            (root / "a").write_bytes(b"x" * (size - 1))
        else:
            (root / "a").unlink(missing_ok=True)

    expected = ks.NotFoundError if change == "removed" else ks.SourceChangedError
    with pytest.raises(expected):
        storage.push(f"{space}/datasets/cats", root, progress=meddle)
    assert list_names(bucket, space, ks.Kind.DATASETS) == []
    assert not [key for key in keys_below(bucket, f"{space}/") if "/_ks/" in key]


@pytest.mark.parametrize("size", [100, 2_000_000], ids=["in one call", "in pieces"])
def test_a_file_that_changes_while_it_is_hashed_is_refused(
    plant: PlantTree, space: str, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    root = plant({"a": b"x" * size})
    times = itertools.count(1)  # each change is seen, whatever else is hashed before

    def change_after(call: Any) -> Any:
        def changed(*arguments: Any) -> Any:
            result = call(*arguments)
            (root / "a").write_bytes(b"y" * size)
            os.utime(root / "a", ns=(1, next(times)))
            return result

        return changed

    monkeypatch.setattr(hashlib, "sha256", change_after(hashlib.sha256))
    monkeypatch.setattr(hashlib, "file_digest", change_after(hashlib.file_digest))
    storage = Storage(LocalBackend(MemoryStore()), "the test")
    with pytest.raises(ks.SourceChangedError, match="changed while"):
        storage.push(f"{space}/datasets/cats", root)


def test_an_engine_that_fails_leaves_no_version_and_the_next_push_goes_on(
    plant: PlantTree,
) -> None:
    store = MemoryStore()
    root = plant({f"{i:02}": str(i).encode() for i in range(40)})
    done: list[str] = []

    def put(path: str, data: Any, **options: Any) -> Any:
        if len(done) == 20:
            raise obstore.exceptions.GenericError("connection refused")
        done.append(path)
        return store.put(path, data, **options)

    broken: Any = Wrapped(store, put=put)
    with pytest.raises(ks.UnavailableError, match="connection refused"):
        Storage(LocalBackend(broken), "the test").push("vision/datasets/cats", root)
    storage = Storage(LocalBackend(store), "the test")
    assert storage.get_datasets("vision") == []
    assert storage.push("vision/datasets/cats", root).info.files == 40


def test_a_push_whose_version_somebody_else_committed_meanwhile_succeeds(
    plant: PlantTree,
) -> None:
    """Its folder is closed then: no keys are given out for it, and none are needed."""
    store = MemoryStore()
    root = plant({"a": b"1"})

    class Closed(LocalBackend):
        def writing_store(
            self, name: ks.Name, version: str, adding: Adding | None = None
        ) -> ObjectStore:
            Storage(LocalBackend(store), "another").push(str(name), root, message="theirs")
            raise ks.ConflictError(f"{version} is committed")

    version = Storage(Closed(store), "the test").push("vision/datasets/cats", root)
    assert version.info.message == "theirs"


def test_a_name_or_kind_that_cannot_be_pushed_to_is_refused(plant: PlantTree) -> None:
    storage = Storage(LocalBackend(MemoryStore()), "the test")
    for ref in ("vision/tables/runs", "vision/datasets/cats@prod", "vision/datasets/Cats", "x"):
        with pytest.raises(ks.InvalidInputError):
            storage.push(ref, plant({"a": b"1"}))


@pytest.mark.parametrize("name", ["ends with #1", "x" * 249])
def test_a_directory_keeps_what_it_can_and_names_what_it_cannot(
    tmp_path: Path, plant: PlantTree, name: str
) -> None:
    """obstore reserves ``#1`` at the end of a name in a directory for files under way."""
    storage = ks.connect(tmp_path / "store")
    root = plant({name: b"1", "a": b"2"})
    if name.startswith("x"):
        assert storage.push("vision/datasets/cats", root).open(name).read() == b"1"
        return
    with pytest.raises(ks.InvalidPathError, match="#1"):
        storage.push("vision/datasets/cats", root)
    assert storage.get_datasets("all") == []
