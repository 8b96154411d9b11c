"""Very large files go up in parts, of which none is sent twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.versions import parts
from versions.support import Wrapped, keys_below
from versions.transfers import counted, killed, s3_options

MIB = 1024 * 1024
PART = 2 * MIB
LARGEST = 9 * MIB
DATA = random.Random(3).randbytes(21 * MIB + 5)
TREE = {"large": DATA, "plain": DATA[:LARGEST]}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", PART)
    monkeypatch.setattr(parts, "LARGEST", LARGEST)


def packs(store: ObjectStore, name: str) -> set[str]:
    return {key for key in keys_below(store, f"{name}/") if "/_ks/pack-" in key}


def test_a_very_large_file_is_its_parts_and_others_are_themselves(
    storage: Storage, bucket: ObjectStore, plant: PlantTree, space: str, tmp_path: Path
) -> None:
    name = f"{space}/models/net"
    seen: list[ks.Progress] = []
    version = storage.push(name, plant(TREE), progress=seen.append)
    assert len(packs(bucket, name)) == 11
    assert [extent.length for extent in version.file("large").extents] == 10 * [PART] + [MIB + 5]
    assert version.file("plain").extents[0].object == f"{version.hash}/plain"
    assert read_tree(version.download(tmp_path / "out")) == TREE
    with version.open("large") as file:
        file.seek(PART - 3)
        assert file.read(9) == DATA[PART - 3 : PART + 6]
    assert storage.verify(version.ref).whole
    assert seen[-1].done_bytes == seen[-1].total_bytes


@pytest.mark.parametrize("after", [5 * PART, len(DATA)])
def test_a_killed_push_of_a_very_large_file_sends_only_missing_parts(
    engine: SeaweedEngine, plant: PlantTree, space: str, tmp_path: Path, after: int
) -> None:
    name = f"{space}/models/net"
    root = plant(TREE)
    given = {"s3": s3_options(engine.credentials), "name": name, "root": str(root)}
    # the plain file goes first: it is whole before the first part is sent
    killed(given | {"after": LARGEST + after, "part": PART, "largest": LARGEST})
    there = packs(engine.store, name)
    assert len(there) >= after // PART
    stored = sum(engine.store.head(f"{name}/{key}")["size"] for key in there)

    with counted(engine.credentials) as (store, traffic):
        Storage(LocalBackend(store), "again").push(name, root)
    missing = len(DATA) - stored
    # more: lists, manifest and log; less: what was under way may have come to its end behind us
    assert missing - parts.AT_ONCE * PART <= traffic.sent <= missing + 64 * 1024
    assert not any(path.rpartition(name)[2].lstrip("/") in there for path in traffic.puts)
    version = Storage(LocalBackend(engine.store), "past the proxy").get_version(name)
    assert read_tree(version.download(tmp_path / "out")) == TREE


def test_the_parts_of_a_directory_are_not_written_again(plant: PlantTree, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "bucket", mkdir=True)
    name = "vision/models/net"
    root = plant({"large": DATA})
    given = {"folder": str(tmp_path / "bucket"), "name": name, "root": str(root)}
    killed(given | {"after": 12 * MIB, "part": PART, "largest": LARGEST})
    there = packs(store, name)
    assert len(there) >= 5
    put: list[str] = []

    def watch(path: str, data: Any, **options: Any) -> Any:
        put.append(path.removeprefix(f"{name}/"))
        return store.put(path, data, **options)

    again: Any = Wrapped(store, put=watch)
    version = Storage(LocalBackend(again), "again").push(name, root)
    assert there.isdisjoint(put)
    assert version.open("large").read() == DATA


def test_a_very_large_file_that_changes_is_not_committed_and_spoils_nobodys_parts(
    storage: Storage, bucket: ObjectStore, plant: PlantTree, space: str
) -> None:
    """Two push the same; with the one the file changes under its hands."""
    name = f"{space}/models/net"
    root = plant({"large": DATA})

    def meddle(progress: ks.Progress) -> None:
        if progress.phase == "uploading" and not progress.done_bytes:
            with (root / "large").open("r+b") as file:
                file.seek(15 * MIB)
                file.write(b"other bytes")

    with pytest.raises(ks.SourceChangedError):
        storage.push(name, root, progress=meddle)
    there = packs(bucket, name)
    version = storage.push(name, plant({"large": DATA}, "whole"))
    assert packs(bucket, name) - there, "the right part has another name than the wrong one"
    assert version.open("large").read() == DATA
    assert storage.verify(version.ref).whole


def test_a_killed_push_of_a_changed_file_sends_no_pack_again(
    engine: SeaweedEngine, plant: PlantTree, space: str, tmp_path: Path
) -> None:
    name = f"{space}/models/net"
    storage = Storage(LocalBackend(engine.store), "the test")
    storage.push(name, plant({"large": DATA}, "first"))
    before = packs(engine.store, name)
    more = random.Random(4).randbytes(40 * MIB)
    changed = DATA[: 10 * MIB] + more + DATA[10 * MIB :]
    root = plant({"large": changed}, "second")
    killed(
        {
            "s3": s3_options(engine.credentials),
            "name": name,
            "root": str(root),
            "after": 30 * MIB,
        }
    )
    there = packs(engine.store, name) - before
    stored = sum(engine.store.head(f"{name}/{key}")["size"] for key in there)
    assert stored >= 14 * MIB

    with counted(engine.credentials) as (store, traffic):
        Storage(LocalBackend(store), "again").push(name, root)
    missing = len(more) - stored
    assert traffic.sent <= missing + 2 * MIB
    version = storage.get_version(name)  # past the proxy, which is gone
    assert version.open("large").read() == changed


def test_a_multipart_upload_that_was_aborted_begins_again(
    engine: SeaweedEngine, plant: PlantTree, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{space}/models/net"
    data = DATA * 2
    monkeypatch.setattr(parts, "LARGEST", len(data))
    s3, bucket = engine.access.s3, engine.credentials.bucket
    aborted: list[str] = []

    def abort(progress: ks.Progress) -> None:
        if progress.phase != "uploading" or aborted:
            return
        for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            aborted.append(upload["Key"])

    storage = Storage(LocalBackend(engine.store), "the test")
    seen: list[ks.Progress] = []

    def watch(progress: ks.Progress) -> None:
        seen.append(progress)
        abort(progress)

    version = storage.push(name, plant({"weights": data}), progress=watch)
    assert aborted
    assert version.open("weights").read() == data
    assert seen[-1].done_bytes == len(data)
