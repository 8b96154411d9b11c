"""Few large requests: what is planned, and what is asked of the store."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import read_tree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.version import Version
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest
from klarity_storage.versions.ranges import MAX_GAP, MAX_RUN, pieces, plan_runs, within
from versions.support import Wrapped, commit, file_info, upload_manifest

MIB = 1024 * 1024
Layout = Callable[[str, bytes], tuple[bytes, ...]]


def plant_packs(store: ObjectStore, name: Name, tree: dict[str, bytes], packs: int = 1) -> Version:
    """A version whose small files lie end to end in packs, with holes between some of them."""
    version = Manifest.of(file_info(path, data) for path, data in tree.items()).version_hash()
    names = [f"{version}/_ks/pack-{number:064x}.bin" for number in range(packs)]
    content = [bytearray(b"head") for _ in names]
    files: list[FileInfo] = []
    for number, (path, data) in enumerate(tree.items()):
        pack = number % packs
        files.append(file_info(path, data, Extent(names[pack], len(content[pack]), len(data))))
        content[pack] += data + b"hole"
    for key, whole in zip(names, content, strict=True):
        store.put(name.object_key(key), bytes(whole))
    return committed(store, name, files)


def committed(store: ObjectStore, name: Name, files: list[FileInfo]) -> Version:
    manifest = Manifest.of(files)
    info = commit(store, name, upload_manifest(store, name, manifest.version_hash(), manifest))
    return Version(LocalBackend(store), info)


def counted(version: Version, store: ObjectStore) -> tuple[Version, list[tuple[str, int]]]:
    """The same version over a store that counts its range requests."""
    seen: list[tuple[str, int]] = []

    def get_range(path: str, *, start: int, length: int) -> Any:
        seen.append((path, length))
        return store.get_range(path, start=start, length=length)

    backend: Any = LocalBackend(Wrapped(store, get_range=get_range))  # type: ignore[arg-type]
    return Version(backend, version.info), seen


@pytest.fixture
def name(space: str) -> Name:
    return Name(space, Kind.DATASETS, "cats")


def test_many_small_files_take_few_requests(
    bucket: ObjectStore, name: Name, tmp_path: Path
) -> None:
    tree = {f"{i % 7}/{i:04}": f"{i} ".encode() * (i % 50) for i in range(1500)}
    version, seen = counted(plant_packs(bucket, name, tree, packs=3), bucket)
    assert read_tree(version.download(tmp_path / "out")) == tree
    assert len(seen) == 3


def test_a_request_is_bounded_and_a_large_hole_is_not_fetched(name: Name, tmp_path: Path) -> None:
    store = MemoryStore()
    tree = {f"{i:02}": random.Random(i).randbytes(MIB) for i in range(12)}
    version, seen = counted(plant_packs(store, name, tree), store)
    version.download(tmp_path / "all")
    assert max(length for _, length in seen) <= MAX_RUN
    assert len(seen) == -(-12 // (MAX_RUN // MIB - 1))
    seen.clear()
    version.download(tmp_path / "two", include=["00", "11"])
    assert [length for _, length in seen] == [MIB, MIB]


def test_a_file_of_several_extents_in_several_objects(
    bucket: ObjectStore, name: Name, tmp_path: Path
) -> None:
    parts = [random.Random(i).randbytes(3 * MIB + i) for i in range(4)]
    whole = parts[2] + parts[0] + parts[0][5:9] + parts[3][MIB:]
    version = Manifest.of([file_info("large", whole), file_info("small", b"1")]).version_hash()
    keys = [f"{version}/_ks/pack-{number:064x}.bin" for number in range(4)]
    for key, data in zip(keys, parts, strict=True):
        bucket.put(name.object_key(key), data)
    extents = (
        Extent(keys[2], 0, MIB),
        Extent(keys[2], MIB, len(parts[2]) - MIB),
        Extent(keys[0], 0, len(parts[0])),
        Extent(keys[0], 5, 4),
        Extent(keys[3], MIB, len(parts[3]) - MIB),
    )
    bucket.put(name.object_key(f"{version}/small"), b"1")
    small = file_info("small", b"1", Extent(f"{version}/small", 0, 1))
    read = committed(bucket, name, [file_info("large", whole, *extents), small])

    assert read_tree(read.download(tmp_path / "out")) == {"large": whole, "small": b"1"}
    assert read.open("large").read() == whole


def test_a_damaged_file_in_a_pack_is_named_and_all_others_are_written(
    bucket: ObjectStore, name: Name, tmp_path: Path
) -> None:
    tree = {f"{i:02}": str(i).encode() * 100 for i in range(40)}
    version = plant_packs(bucket, name, tree, packs=2)
    bad = next(file for file in version.files() if file.path == "07")
    pack = name.object_key(bad.extents[0].object)
    data = bytearray(bytes(bucket.get(pack).bytes()))
    data[bad.extents[0].offset] ^= 1
    bucket.put(pack, bytes(data))

    with pytest.raises(ks.IntegrityError, match="'07'"):
        version.download(tmp_path / "out")
    expected = {path: content for path, content in tree.items() if path != "07"}
    assert read_tree(tmp_path / "out") == expected
    cut = bad.extents[0].offset
    bucket.put(pack, bytes(data[:cut]))
    with pytest.raises(ks.IntegrityError, match=r"17 files of .*'07'"):
        version.download(tmp_path / "cut")
    assert read_tree(tmp_path / "cut").items() < expected.items()
    bucket.delete(pack)
    with pytest.raises(ks.IntegrityError, match="missing"):
        version.download(tmp_path / "gone")


def test_a_pull_that_was_stopped_fetches_only_what_is_missing(name: Name, tmp_path: Path) -> None:
    store = MemoryStore()
    tree = {f"{i:02}": bytes([i]) * 500_000 for i in range(40)}
    version, seen = counted(plant_packs(store, name, tree), store)
    out = version.download(tmp_path / "out")
    for path in ("10", "11", "39"):
        (out / path).unlink()
    seen.clear()
    assert read_tree(version.download(out)) == tree
    assert sum(length for _, length in seen) == 3 * 500_000 + len(b"hole")


def test_empty_files_take_no_request(name: Name, tmp_path: Path) -> None:
    store = MemoryStore()
    version, seen = counted(plant_packs(store, name, {"a/empty": b"", "b": b""}), store)
    assert read_tree(version.download(tmp_path / "out")) == {"a/empty": b"", "b": b""}
    assert seen == []


Place = st.tuples(
    st.sampled_from(["a", "b"]), st.integers(0, 40 * MIB), st.integers(0, MAX_RUN + 10)
)


@given(st.lists(Place, max_size=60))
@settings(deadline=None)
def test_each_file_is_planned_once_and_lies_in_its_run(places: list[tuple[str, int, int]]) -> None:
    files = [
        FileInfo(str(i), length, "", "", (Extent(key, offset, length),))
        for i, (key, offset, length) in enumerate(places)
    ]
    runs, alone = plan_runs(files)
    planned = [file.path for run in runs for file in run.files] + [file.path for file in alone]
    assert sorted(planned) == sorted(file.path for file in files)
    for run in runs:
        assert run.end - run.start <= MAX_RUN
        reached = run.start
        for file in run.files:
            (extent,) = file.extents
            assert not file.size or extent.object == run.object
            if file.size:
                assert extent.offset <= reached + MAX_GAP
                assert run.start <= extent.offset <= extent.offset + file.size <= run.end
            reached = max(reached, extent.offset + file.size)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.integers(0, 30)), max_size=8),
    st.integers(1, 9),
    st.data(),
)
def test_pieces_and_ranges_are_the_same_bytes(
    places: list[tuple[str, int, int]], size: int, data: st.DataObject
) -> None:
    objects = {"a": bytes(range(100)), "b": bytes(range(100, 200))}
    extents = [Extent(*place) for place in places]

    def read(parts: Any) -> bytes:
        return b"".join(objects[p.object][p.offset : p.offset + p.length] for p in parts)

    whole = read(extents)
    cut = list(pieces(extents, size))
    assert read(cut) == whole
    assert all(0 < piece.length <= size for piece in cut)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole) + 3))
    assert read(within(extents, start, end)) == whole[start:end]


def test_a_pull_from_an_engine_that_is_gone_says_so(name: Name, tmp_path: Path) -> None:
    store = MemoryStore()
    version = plant_packs(store, name, {str(i): b"x" * i for i in range(1, 9)})

    def refuse(path: str, *, start: int, length: int) -> Any:
        raise OSError(f"no route {uuid4()}")

    backend: Any = LocalBackend(Wrapped(store, get_range=refuse))  # type: ignore[arg-type]
    with pytest.raises(ks.UnavailableError):
        Version(backend, version.info).download(tmp_path / "out")
    assert read_tree(tmp_path / "out") == {}
