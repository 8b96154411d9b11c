"""Many small files travel as packs, in any store, and any reader finds them there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.versions import packs
from versions.support import keys_below

MANY = {f"{i % 7}/{i:03}.txt": f"file {i} ".encode() * (i % 50) for i in range(packs.FEW + 36)}


def _packs(bucket: ObjectStore, version: ks.Version) -> set[str]:
    prefix = f"{version.name}/{version.hash}/"
    return {key for key in keys_below(bucket, prefix) if key.startswith("_ks/pack-")}


def test_many_small_files_travel_as_one_pack_and_come_back(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    large = b"x" * packs.SMALL
    version = storage.push(f"{space}/datasets/cats", plant(MANY | {"large": large}))

    (pack,) = _packs(bucket, version)
    keys = keys_below(bucket, f"{space}/datasets/cats/{version.hash}/")
    assert keys == {pack, "large", f"_ks/{version.info.manifest}"}
    data = bytes(bucket.get(f"{space}/datasets/cats/{version.hash}/{pack}").bytes())
    assert pack == f"_ks/pack-{hashlib.sha256(data).hexdigest()}.bin"
    distinct = dict.fromkeys(MANY[path] for path in sorted(MANY))
    assert data == b"".join(distinct)  # end to end, in the order of their paths
    assert read_tree(version.download(tmp_path / "out")) == MANY | {"large": large}
    assert version.open("3/003.txt").read() == MANY["3/003.txt"]


@pytest.mark.parametrize("more", [0, 1])
def test_a_small_push_stays_plain(plant: PlantTree, more: int) -> None:
    store = MemoryStore()
    tree = {f"{i:02}": str(i).encode() for i in range(packs.FEW + more)}
    version = Storage(LocalBackend(store), "the test").push("vision/datasets/cats", plant(tree))

    assert len(_packs(store, version)) == more
    plain = keys_below(store, f"vision/datasets/cats/{version.hash}/")
    assert ("00" in plain) == (not more)


def test_a_pack_is_closed_before_it_is_too_large(
    plant: PlantTree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packs, "PACK", 1000)
    store = MemoryStore()
    tree = {f"{i:03}": bytes([i]) * (i * 3) for i in range(100)} | {"050": b"z" * 2000}
    version = Storage(LocalBackend(store), "the test").push("vision/datasets/cats", plant(tree))

    prefix = f"vision/datasets/cats/{version.hash}/"
    sizes = [len(store.get(prefix + pack).bytes()) for pack in _packs(store, version)]
    assert len(sizes) > 10
    assert sorted(size for size in sizes if size > 1000) == [2000]
    assert sum(sizes) == sum(map(len, tree.values()))
    assert read_tree(version.download(tmp_path / "out")) == tree


def test_a_changed_file_fails_the_push_of_its_pack(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    root = plant(MANY)

    def meddle(progress: ks.Progress) -> None:
        if progress.phase == "uploading":
            (root / "1" / "001.txt").write_bytes(b"file 2 ")

    with pytest.raises(ks.SourceChangedError, match=r"001\.txt"):
        storage.push(f"{space}/datasets/cats", root, progress=meddle)
    assert keys_below(bucket, f"{space}/") == set()


def test_a_damaged_pack_is_named_by_its_file(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    version = storage.push(f"{space}/datasets/cats", plant(MANY))
    (pack,) = _packs(bucket, version)
    key = f"{space}/datasets/cats/{version.hash}/{pack}"
    file = version.files()[40]
    data = bytearray(bucket.get(key).bytes())
    data[file.extents[0].offset] ^= 1
    bucket.put(key, data)

    with pytest.raises(ks.IntegrityError, match=file.path):
        version.open(file.path)
    other = version.files()[41]
    assert version.open(other.path).read() == MANY[other.path]


def test_the_pack_of_an_older_version_is_pointed_at(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    first = storage.push(f"{space}/datasets/cats", plant(MANY))
    second = storage.push(f"{space}/datasets/cats", plant({"1/001.txt": b"new"}))

    assert keys_below(bucket, f"{space}/datasets/cats/{second.hash}/") == {
        "1/001.txt",
        f"_ks/{second.info.manifest}",
    }
    assert {file.extents[0].object.partition("/")[0] for file in second.files()} == {
        first.hash,
        second.hash,
    }
    assert read_tree(second.download(tmp_path / "out")) == MANY | {"1/001.txt": b"new"}


def test_duckdb_and_boto3_find_a_file_in_its_pack(
    engine: SeaweedEngine, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    keys = engine.credentials
    s3: Any = boto3.client(
        "s3",
        endpoint_url=keys.endpoint,
        region_name=keys.region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
    )
    storage = Storage(LocalBackend(engine.store), "the test")
    version = storage.push(f"{space}/datasets/cats", plant(MANY))
    prefix = f"{space}/datasets/cats"
    manifest = tmp_path / "manifest.parquet"
    s3.download_file(
        keys.bucket, f"{prefix}/{version.hash}/_ks/{version.info.manifest}", str(manifest)
    )

    (extent,) = duckdb.execute(
        "select unnest(extents) from read_parquet(?) where path = '3/003.txt'", [str(manifest)]
    ).fetchone() or (None,)
    last = extent["offset"] + extent["length"] - 1
    answer = s3.get_object(
        Bucket=keys.bucket,
        Key=f"{prefix}/{extent['object']}",
        Range=f"bytes={extent['offset']}-{last}",
    )
    assert answer["Body"].read() == MANY["3/003.txt"]


def test_borders_are_the_same_on_every_machine(plant: PlantTree, tmp_path: Path) -> None:
    one, two = MemoryStore(), LocalStore(tmp_path / "bucket", mkdir=True)
    for store, root in ((one, plant(MANY, "here")), (two, plant(MANY, "there"))):
        Storage(LocalBackend(store), "the test").push("vision/datasets/cats", root)
    assert keys_below(one, "vision/") == keys_below(two, "vision/")
