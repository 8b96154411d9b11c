"""What is derived is made anew from what is there, byte for byte; what is not is named."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.versions import chunks, cutting, push, reindex
from klarity_storage.versions.chunk_lists import write_chunks
from klarity_storage.versions.content_index import Added, write_added
from klarity_storage.versions.cutting import cut
from klarity_storage.versions.reindex import Finding, reindex_name

NAME = Name("vision", Kind.DATASETS, "cats")
KIB = 1024


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files are many, and 16 KiB are large."""
    monkeypatch.setattr(push, "LISTED_FROM", 3)
    monkeypatch.setattr(reindex, "LISTED_FROM", 3)
    monkeypatch.setattr(cutting, "AVERAGE", 1024)
    monkeypatch.setattr(cutting, "LARGE", 16 * KIB)
    monkeypatch.setattr(chunks, "MIN_RUN", 4096)


@pytest.fixture
def store() -> ObjectStore:
    return MemoryStore()


@pytest.fixture
def storage(store: ObjectStore) -> Storage:
    return Storage(LocalBackend(store), "the test")


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def versions(storage: Storage, plant: PlantTree) -> list[ks.Version]:
    """Four versions of several files, one of them large; it changes in the third."""
    large, small = noise(64 * KIB), {f"{n}.txt": b"%d" % n for n in range(4)}
    changed = large[: 32 * KIB] + b"changed" + large[32 * KIB :]
    trees = [
        small | {"large": large},
        small | {"large": large, "new.txt": b"new"},
        small | {"large": changed, "new.txt": b"newer"},
        small | {"large": changed, "last.txt": b"last"},
    ]
    return [storage.push(str(NAME), plant(tree, f"t{at}")) for at, tree in enumerate(trees)]


def objects(store: ObjectStore, part: str = "") -> dict[str, bytes]:
    """What lies in the bucket, by key."""
    return {
        meta["path"]: bytes(store.get(meta["path"]).bytes())
        for page in store.list()
        for meta in page
        if part in meta["path"]
    }


def run(store: ObjectStore, **how: bool) -> list[Finding]:
    return list(reindex_name(store, NAME, **how))


def test_what_is_right_stays(store: ObjectStore, versions: list[ks.Version]) -> None:
    before = objects(store)
    assert len(objects(store, "/added-")) == 3
    assert len(objects(store, "/chunks-")) == 2
    assert run(store, dry_run=False, reread=True) == []
    assert objects(store) == before


@pytest.mark.parametrize("part", ["/added-", "/chunks-"])
@pytest.mark.parametrize("damage", [None, b"", b"PAR1 and no more"], ids=["gone", "empty", "torn"])
def test_lists_are_made_anew_as_they_were(
    store: ObjectStore, versions: list[ks.Version], part: str, damage: bytes | None
) -> None:
    before = objects(store)
    lists = objects(store, part)
    for key in lists:
        store.delete(key) if damage is None else store.put(key, damage)
    spoiled = objects(store)
    found = run(store, dry_run=True)
    assert objects(store) == spoiled
    assert {item.problem for item in found} == {"missing" if damage is None else "damaged"}
    assert all(item.derived and item.name == str(NAME) for item in found)
    assert run(store, dry_run=False) == found
    if part == "/added-" or damage is not None:
        assert objects(store) == before
        assert {item.key for item in found} == set(lists)
    else:  # into the newest version that has the file: both first stood in older ones
        made = objects(store, part)
        assert sorted(made.values()) == sorted(lists.values())
    assert run(store, dry_run=False) == []


def test_a_list_that_lies_is_made_anew(store: ObjectStore, versions: list[ks.Version]) -> None:
    before = objects(store)
    info, base = versions[1].info, versions[0].info
    write_added(store, NAME, info.version, info.manifest, Added(base.version, frozenset({7})))
    [found] = run(store, dry_run=False)
    assert (found.what, found.problem) == ("additions", "wrong")
    assert objects(store) == before


def test_chunks_of_another_file_are_found_by_reading(
    store: ObjectStore, versions: list[ks.Version]
) -> None:
    before = objects(store)
    file = versions[0].file("large")
    wrong = cut([noise(64 * KIB, 1)])
    write_chunks(store, NAME, versions[0].hash, file, wrong)
    assert run(store, dry_run=False) == []
    [found] = run(store, reread=True)
    assert (found.what, found.problem) == ("chunks", "wrong")
    assert run(store, dry_run=False, reread=True) == [found]
    assert objects(store) == before


def test_a_list_whose_base_was_deleted_is_made_anew(
    store: ObjectStore, storage: Storage, versions: list[ks.Version]
) -> None:
    storage.delete(f"{NAME}@{versions[1].hash}")
    [found] = run(store, dry_run=False)
    assert (found.what, found.problem) == ("additions", "wrong")
    assert found.key == NAME.added_key(versions[2].hash, versions[2].info.manifest)
    assert run(store) == []


def test_what_garbage_took_is_made_anew_where_pushes_find_it(
    store: ObjectStore, storage: Storage, plant: PlantTree
) -> None:
    large = noise(256 * KIB)
    first = storage.push(str(NAME), plant({"large": large}, "first"))
    second = storage.push(str(NAME), plant({"large": large, "b": b"b"}, "second"))
    storage.delete(f"{NAME}@{first.hash}")
    list(storage.collect_garbage(str(NAME), grace=timedelta(0), dry_run=False))
    assert objects(store, "/chunks-") == {}
    [found] = run(store, dry_run=False)
    assert found.key == NAME.chunks_key(second.hash, second.file("large").sha256)
    list(storage.collect_garbage(str(NAME), grace=timedelta(0), dry_run=False))
    third = storage.push(str(NAME), plant({"large": large + b"more"}, "third"))
    sent = sum(len(data) for key, data in objects(store, third.hash).items() if "/pack-" in key)
    assert 0 < sent < 32 * KIB
    assert third.open("large").read() == large + b"more"


def test_what_follows_from_nothing_is_named_and_the_rest_is_made_anew(
    store: ObjectStore, versions: list[ks.Version]
) -> None:
    gone, torn = versions[1].info, versions[2].info
    store.delete(NAME.manifest_key(gone.version, gone.manifest))
    store.put(NAME.manifest_key(torn.version, torn.manifest), b"torn")
    last = versions[3].info
    store.delete(NAME.added_key(last.version, last.manifest))
    found = {(item.what, item.problem, item.derived) for item in run(store, dry_run=False)}
    assert found == {
        ("manifest", "missing", False),
        ("manifest", "damaged", False),
        ("additions", "missing", True),
    }
    again = run(store, dry_run=False)
    assert {item.what for item in again} == {"manifest"}


def test_a_damaged_file_is_no_source_of_chunks(
    store: ObjectStore, versions: list[ks.Version]
) -> None:
    file = versions[0].file("large")
    key = NAME.object_key(file.extents[0].object)
    store.put(key, noise(64 * KIB, 2))
    store.delete(NAME.chunks_key(versions[0].hash, file.sha256))
    found = {(item.what, item.key): item for item in run(store, dry_run=False)}
    assert not found["file", key].derived
    assert not any(what == "chunks" and file.sha256 in key for what, key in found)


@pytest.mark.parametrize("entry", [0, 2])
def test_a_log_that_lost_an_entry_is_named(
    store: ObjectStore, versions: list[ks.Version], entry: int
) -> None:
    store.delete(NAME.log_key(entry))
    [found] = run(store, dry_run=False)
    assert (found.what, found.problem, found.derived) == ("log", "damaged", False)
    assert found.key == NAME.log_prefix
