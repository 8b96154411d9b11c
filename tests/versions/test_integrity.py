"""Objects that were altered behind our back are named and never handed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import ObjectStore

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.layout import Kind, Name

LARGE = b"0123456789abcdef" * 700_000  # 11 MB: several chunks of a stream


@pytest.mark.parametrize("damaged", [b"", b"other bytes", LARGE[:-1], LARGE[:-1] + b"X"], ids=len)
def test_an_altered_file_is_not_handed_over(
    storage: ks.Storage,
    bucket: ObjectStore,
    space: str,
    plant: PlantTree,
    tmp_path: Path,
    damaged: bytes,
) -> None:
    version = storage.push(f"{space}/datasets/cats", plant({"bad.bin": LARGE, "good": b"1"}))
    bucket.put(f"{space}/datasets/cats/{version.hash}/bad.bin", damaged)

    with pytest.raises(ks.IntegrityError, match=r"bad\.bin"):
        version.open("bad.bin")
    with pytest.raises(ks.IntegrityError, match=r"bad\.bin"):
        version.download(tmp_path / "out")
    assert set(read_tree(tmp_path / "out")) <= {"good"}
    with pytest.raises(ks.IntegrityError):
        version.path()


def test_a_missing_object_is_named(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    version = storage.push(f"{space}/datasets/cats", plant({"a": b"1"}))
    bucket.delete(f"{space}/datasets/cats/{version.hash}/a")

    with pytest.raises(ks.IntegrityError, match="missing"):
        version.open("a")


def test_an_altered_or_missing_manifest_is_refused(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    name = f"{space}/datasets/cats"
    version = storage.push(name, plant({"a": b"1"}))
    key = f"{name}/{version.hash}/_ks/{version.info.manifest}"
    data = bytes(bucket.get(key).bytes())

    bucket.put(key, data[:-1] + b"X")
    with pytest.raises(ks.IntegrityError, match="altered"):
        storage.get_version(name).files()
    bucket.delete(key)
    with pytest.raises(ks.IntegrityError, match="missing"):
        storage.get_version(name).files()


def test_a_gap_or_garbage_in_the_log_is_refused(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree
) -> None:
    name = Name(space, Kind.DATASETS, "cats")
    storage.push(str(name), plant({"a": b"1"}))
    bucket.put(name.log_key(2), b"{}")
    with pytest.raises(ks.IntegrityError, match="Entry 1"):
        storage.get_version(str(name))
    bucket.put(name.log_key(1), b"not JSON")
    with pytest.raises(ks.IntegrityError, match="Entry 1"):
        storage.get_version(str(name))
