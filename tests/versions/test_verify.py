"""Damage behind our back is found, named, and does not stop the search."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.manifest import Extent, Manifest
from klarity_storage.versions.verify import Damage, Range, verify_versions
from versions.support import Wrapped, commit, file_info, upload, upload_manifest

PACK = "_ks/pack-" + "0" * 64 + ".bin"


@pytest.fixture
def name(space: str) -> Name:
    return Name(space, Kind.DATASETS, "cats")


def packed(store: ObjectStore, name: Name, tree: dict[str, bytes], *, gap: int = 0) -> VersionInfo:
    """Commit a tree whose files lie end to end in one pack."""
    version = Manifest.of(file_info(path, data) for path, data in tree.items()).version_hash()
    files, pack = [], b""
    for path, data in tree.items():
        files.append(file_info(path, data, Extent(f"{version}/{PACK}", len(pack), len(data))))
        pack += data + b"-" * gap
    store.put(name.object_key(f"{version}/{PACK}"), pack)
    return commit(store, name, upload_manifest(store, name, version, Manifest.of(files)))


def test_what_is_whole_is_reported_whole(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, space: str
) -> None:
    ref = f"{space}/datasets/cats"
    storage.push(ref, plant({"a": b"1", "b/c": b"22", "empty": b"", "big": b"x" * 9_000_000}))
    storage.push(ref, plant({"a": b"1", "d": b"4444"}, "second"))
    storage.push(f"{space}/models/net", plant({"w": b"weights"}, "net"))

    report = storage.verify(f"{ref}@latest")
    assert (report.versions, report.files, report.bytes, report.whole) == (1, 2, 5, True)
    assert storage.verify(ref).bytes == 9_000_007
    assert storage.verify(space).versions == 3


@pytest.mark.parametrize(
    ("hurt", "problem"),
    [(None, "missing"), (b"12345", "altered"), (b"123", "altered"), (b"", "altered")],
)
def test_damage_is_named_and_the_rest_is_read(
    bucket: ObjectStore, name: Name, hurt: bytes | None, problem: str
) -> None:
    request = upload(bucket, name, {"a": b"1", "b": b"abcde", "c": b"33"})
    info = commit(bucket, name, request)
    key = f"{request.version}/b"
    if hurt is None:
        bucket.delete(name.object_key(key))
    else:
        bucket.put(name.object_key(key), hurt)
    bucket.put(name.object_key(f"{request.version}/c"), b"44")

    report = verify_versions(bucket, name, [info])

    ref = f"{name}@{request.version}"
    assert report.damaged == (
        Damage(ref, "b", problem, key),
        Damage(ref, "c", "altered", f"{request.version}/c"),
    )


def test_a_hole_in_a_pack_hits_only_its_files(bucket: ObjectStore, name: Name) -> None:
    tree = {f"{i:03}": bytes([i]) * (i + 1) for i in range(200)}
    info = packed(bucket, name, tree)
    key = name.object_key(f"{info.version}/{PACK}")
    pack = bytearray(bytes(bucket.get(key).bytes()))
    pack[0] ^= 1
    pack[sum(range(1, 101))] ^= 1
    bucket.put(key, bytes(pack[:-1]))

    report = verify_versions(bucket, name, [info])

    assert [damage.path for damage in report.damaged] == ["000", "100", "199"]


def test_a_file_in_pieces_is_read_through(bucket: ObjectStore, name: Name) -> None:
    first = packed(bucket, name, {"a": b"hello ", "b": b"world"})
    whole = file_info(
        "c",
        b"world, hello ",
        Extent(f"{first.version}/{PACK}", 6, 5),
        Extent(f"{first.version}/{PACK}", 11, 2),
        Extent(f"{first.version}/{PACK}", 0, 6),
    )
    bucket.put(name.object_key(f"{first.version}/{PACK}"), b"hello world, ")
    version = Manifest.of([whole]).version_hash()
    second = commit(bucket, name, upload_manifest(bucket, name, version, Manifest.of([whole])))
    assert verify_versions(bucket, name, [first, second]).whole

    bucket.put(name.object_key(f"{first.version}/{PACK}"), b"hello world. ")
    (damage,) = verify_versions(bucket, name, [first, second]).damaged
    assert (damage.version, damage.path, damage.object) == (f"{name}@{version}", "c", None)


def test_a_damaged_manifest_is_named_with_its_version(bucket: ObjectStore, name: Name) -> None:
    first = commit(bucket, name, upload(bucket, name, {"a": b"1"}))
    second = commit(bucket, name, upload(bucket, name, {"a": b"2"}))
    third = commit(bucket, name, upload(bucket, name, {"a": b"3"}))
    bucket.put(name.manifest_key(first.version, first.manifest), b"something else")
    bucket.delete(name.manifest_key(second.version, second.manifest))

    report = verify_versions(bucket, name, [first, second, third])

    assert [(damage.version[-64:], damage.problem) for damage in report.damaged] == [
        (first.version, "altered"),
        (second.version, "missing"),
    ]
    assert report.files == 1


def test_what_versions_and_files_share_is_read_once(name: Name) -> None:
    store = MemoryStore()
    asked: Counter[str] = Counter()

    def get(path: str, **options: Any) -> Any:
        asked[path] += 1
        return store.get(path, **options)

    first = packed(store, name, {"a": b"1" * 10, "b": b"2" * 10})
    again = [
        file_info("x", b"1" * 10, Extent(f"{first.version}/{PACK}", 0, 10)),
        file_info("y", b"1" * 10, Extent(f"{first.version}/{PACK}", 0, 10)),
        file_info("z", b"1" * 5 + b"2" * 5, Extent(f"{first.version}/{PACK}", 5, 10)),
    ]
    # z overlaps both: ranges of one object are hashed side by side
    store.put(name.object_key(f"{first.version}/{PACK}"), b"1" * 10 + b"2" * 10)
    version = Manifest.of(again).version_hash()
    second = commit(store, name, upload_manifest(store, name, version, Manifest.of(again)))

    counted: Any = Wrapped(store, get=get)
    report = verify_versions(counted, name, [first, second, first])

    assert report.whole
    assert report.versions == 2
    assert asked[name.object_key(f"{first.version}/{PACK}")] == 1


def test_far_ranges_of_an_object_are_not_read_along(bucket: ObjectStore, name: Name) -> None:
    info = packed(bucket, name, {"a": b"1" * 10, "b": b"2" * 10, "c": b"3"}, gap=3_000_000)
    assert verify_versions(bucket, name, [info]).whole

    key = name.object_key(f"{info.version}/{PACK}")
    bucket.put(key, bytes(bucket.get(key).bytes())[:3_000_015])
    damaged = verify_versions(bucket, name, [info]).damaged
    assert [(damage.path, damage.problem) for damage in damaged] == [
        ("b", "altered"),
        ("c", "altered"),
    ]


def test_a_silent_engine_is_no_damage(name: Name) -> None:
    store = MemoryStore()
    info = commit(store, name, upload(store, name, {"a": b"1"}))

    def get(path: str, **options: Any) -> Any:
        if path.endswith("/a"):
            raise OSError("connection refused")
        return store.get(path, **options)

    silent: Any = Wrapped(store, get=get)
    with pytest.raises(ks.UnavailableError):
        verify_versions(silent, name, [info])


def test_progress_ends_at_its_total(name: Name) -> None:
    store = MemoryStore()
    info = packed(store, name, {f"{i}": bytes([i]) * 100 for i in range(20)})
    seen: list[ks.Progress] = []
    verify_versions(store, name, [info], progress=seen.append)
    assert seen[-1].done_bytes == seen[-1].total_bytes == 2000
    assert seen[-1].done_files == seen[-1].total_files == 20


def test_a_space_that_is_not_there() -> None:
    with pytest.raises(ks.SpaceNotFoundError):
        Storage(LocalBackend(MemoryStore()), "the test").verify("nowhere")


def test_ranges_are_hashed_whatever_the_chunks() -> None:
    from klarity_storage.versions.verify import _hash_span

    data = bytes(range(50))
    spans = [(0, 10), (5, 5), (5, 30), (10, 1), (48, 2)]
    ranges = [Range("o", at, size, digest_bytes(data[at : at + size]).sha256) for at, size in spans]
    for step in (1, 3, 50):
        chunks = [data[i : i + step] for i in range(0, 50, step)]
        assert _hash_span(ranges, chunks) == []
        assert {part.offset for part, _ in _hash_span(ranges, chunks[:-1])} == {48} | (
            {0, 5, 10} if step == 50 else set()
        )
