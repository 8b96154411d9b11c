"""Content that any live version has is never uploaded again."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.manifest import load_manifest
from klarity_storage.versions.stored import find_stored, load_source
from versions.support import keys_below


def own_files(bucket: ObjectStore, version: ks.Version) -> set[str]:
    """What a version's folder holds beside its manifest."""
    prefix = f"{version.info.space}/{version.info.kind}/{version.info.name}/{version.hash}/"
    return {key for key in keys_below(bucket, prefix) if not key.startswith("_ks/")}


@pytest.fixture
def trees(plant: PlantTree) -> dict[str, Path]:
    return {
        "first": plant({"a": b"1", "b": b"2"}, "first"),
        "second": plant({"b": b"2", "c": b"3"}, "second"),
        "third": plant({"d": b"4"}, "third"),
        "moved": plant({"x/a": b"1", "b": b"3", "d": b"4", "new": b"5"}, "moved"),
    }


def test_a_renamed_restored_or_merged_file_costs_nothing(
    storage: ks.Storage, bucket: ObjectStore, space: str, trees: dict[str, Path]
) -> None:
    name = f"{space}/datasets/cats"
    versions = [storage.push(name, trees[tree]) for tree in ("first", "second", "third", "moved")]
    assert [own_files(bucket, v) for v in versions] == [{"a", "b"}, {"c"}, {"d"}, {"new"}]
    moved = versions[-1]
    assert [moved.open(p).read() for p in ("x/a", "b", "d", "new")] == [b"1", b"3", b"4", b"5"]


def test_content_of_another_name_is_not_pointed_at(
    storage: ks.Storage, bucket: ObjectStore, space: str, trees: dict[str, Path]
) -> None:
    storage.push(f"{space}/datasets/cats", trees["first"])
    other = storage.push(f"{space}/datasets/dogs", trees["first"])
    assert own_files(bucket, other) == {"a", "b"}


def test_a_deleted_version_is_no_source_but_what_others_hold_of_it_is(
    trees: dict[str, Path], tmp_path: Path
) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    for tree in ("first", "second", "third"):
        storage.push("vision/datasets/cats", trees[tree])
    name = Name("vision", Kind.DATASETS, "cats")
    known = [version.info for version in storage.get_versions(str(name))]
    first = load_manifest(store, name, known[2].version, known[2].manifest)
    index = tmp_path / "index.sqlite"
    latest = load_source(store, name, known[0])

    before = find_stored(store, name, known, latest, first, index)
    assert len(before) == 2
    for file in (index, None):  # an index that knew it, and one that never did
        after = find_stored(store, name, known[:2], latest, first, file)
        assert {e.object for extents in after.values() for e in extents} == {
            f"{known[2].version}/b"
        }
    assert len(find_stored(store, name, known, latest, first, index)) == 2


def test_a_damaged_manifest_of_an_older_version_is_no_source_and_stops_no_push(
    storage: ks.Storage, bucket: ObjectStore, space: str, trees: dict[str, Path]
) -> None:
    name = f"{space}/datasets/cats"
    first = storage.push(name, trees["first"])
    storage.push(name, trees["second"])
    storage.push(name, trees["third"])
    bucket.put(f"{name}/{first.hash}/_ks/{first.info.manifest}", b"PAR1")
    moved = storage.push(name, trees["moved"])
    assert own_files(bucket, moved) == {"x/a", "new"}
    assert moved.open("x/a").read() == b"1"


def test_the_engine_that_fails_is_no_missing_content(trees: dict[str, Path]) -> None:
    from klarity_storage.versions.content_index import hinted_versions
    from versions.support import Wrapped

    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    for tree in ("first", "second"):
        storage.push("vision/datasets/cats", trees[tree])
    known = [version.info for version in storage.get_versions("vision/datasets/cats")]

    def get(path: str) -> None:
        raise ConnectionResetError(path)

    broken = Wrapped(store, get=get)
    with pytest.raises(ks.UnavailableError):
        hinted_versions(broken, Name("vision", Kind.DATASETS, "cats"), known, [1], None)  # type: ignore[arg-type]
