"""Large files that changed: only what is new goes up, and they read back as they were."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore, MemoryStore, ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.versions import chunk_lists, chunks, cutting
from klarity_storage.versions.cutting import Chunks
from klarity_storage.versions.manifest import FileInfo, load_manifest

MIB = 1024 * 1024


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large begins at 16 KiB, so that a thousand edits are tried in no time."""
    monkeypatch.setattr(cutting, "AVERAGE", 1024)
    monkeypatch.setattr(cutting, "LARGE", 16 * 1024)
    monkeypatch.setattr(chunks, "MIN_RUN", 4096)
    monkeypatch.setattr(chunks, "PACK", 24 * 1024)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def files_of(store: ObjectStore, version: ks.Version) -> dict[str, FileInfo]:
    info = version.info
    name = Name(info.space, Kind(info.kind), info.name)
    return {file.path: file for file in load_manifest(store, name, info.version, info.manifest)}


def stored_bytes(store: ObjectStore, version: ks.Version) -> dict[str, int]:
    """The sizes of what a version's folder holds, by the beginning of its name."""
    info = version.info
    prefix = f"{info.space}/{info.kind}/{info.name}/{info.version}/"
    sizes: dict[str, int] = {}
    for page in store.list(prefix):
        for meta in page:
            kind = meta["path"].removeprefix(prefix).removeprefix("_ks/").partition("-")[0]
            sizes[kind] = sizes.get(kind, 0) + meta["size"]
    return sizes


def test_an_insertion_into_a_large_file_sends_little_more_than_itself(
    storage: ks.Storage, bucket: ObjectStore, space: str, plant: PlantTree, tmp_path: Path
) -> None:
    old = noise(40 * MIB)
    new = old[: 20 * MIB] + noise(MIB, 1) + old[20 * MIB :]
    first = storage.push(f"{space}/models/net", plant({"w.bin": old}))
    second = storage.push(f"{space}/models/net", plant({"w.bin": new}))

    assert set(stored_bytes(bucket, first)) == {"w.bin", "manifest", "chunks"}
    sizes = stored_bytes(bucket, second)
    assert set(sizes) == {"pack", "manifest", "chunks"}
    assert MIB <= sizes["pack"] <= 2.2 * MIB
    file = files_of(bucket, second)["w.bin"]
    assert [extent.object[:64] for extent in file.extents] == [first.hash, second.hash, first.hash]
    second.download(tmp_path / "out")
    assert (tmp_path / "out/w.bin").read_bytes() == new


def test_a_foreign_reader_puts_the_ranges_together(
    request: pytest.FixtureRequest, space: str, plant: PlantTree, fine: None
) -> None:
    import boto3

    engine = request.getfixturevalue("engine")
    storage = Storage(LocalBackend(engine.store), "the test")
    old = noise(300_000)
    new = old[200_000:] + noise(20_000, 1) + old[:150_000]
    storage.push(f"{space}/models/net", plant({"w.bin": old}))
    version = storage.push(f"{space}/models/net", plant({"w.bin": new}))
    extents = files_of(engine.store, version)["w.bin"].extents
    assert len(extents) >= 3

    keys = engine.credentials
    s3 = boto3.client(
        "s3",
        endpoint_url=keys.endpoint,
        region_name=keys.region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token or None,
    )
    read = b""
    for extent in extents:
        span = f"bytes={extent.offset}-{extent.offset + extent.length - 1}"
        key = f"{space}/models/net/{extent.object}"
        read += s3.get_object(Bucket=keys.bucket, Key=key, Range=span)["Body"].read()
    s3.close()
    assert read == new


Edit = tuple[str, float, int, float]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "move", "repeat", "zeros"]),
        st.floats(0, 1),
        st.integers(1, 30_000),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edit: Edit, seed: int) -> bytes:
    how, where, size, other = edit
    at, to = int(where * len(data)), int(other * len(data))
    piece, rest = data[at : at + size], data[:at] + data[at + size :]
    made = {
        "insert": data[:at] + noise(size, seed) + data[at:],
        "delete": rest,
        "replace": rest[:at] + noise(size, seed) + rest[at:],
        "move": rest[:to] + piece + rest[to:],
        "repeat": data[:to] + piece + data[to:],
        "zeros": data[:at] + bytes(size) + data[at:],
    }
    return made[how]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.integers(16_384, 150_000), edits=st.lists(EDITS, min_size=1, max_size=4))
def test_whatever_is_edited_reads_back_equal(
    tmp_path: Path, fine: None, size: int, edits: list[list[Edit]]
) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    root = tmp_path / "tree"
    root.mkdir(exist_ok=True)
    data = noise(size)
    for number, step in enumerate([[], *edits]):
        for at, edit in enumerate(step):
            data = edited(data, edit, 100 * number + at + 1)
        (root / "w.bin").write_bytes(data)
        version = storage.push("vision/models/net", root)
        assert version.open("w.bin").read() == data
        extents = files_of(store, version)["w.bin"].extents
        assert sum(extent.length for extent in extents) == len(data)
        ends = [(extent.object, extent.offset + extent.length) for extent in extents]
        begins = [(extent.object, extent.offset) for extent in extents[1:]]
        assert not [end for end, begin in zip(ends, begins, strict=False) if end == begin]


OLD = noise(200_000)
BLOCK = noise(20_000, 7)


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [
        ({"w": OLD}, {"w": OLD[:100_000]}, 5_000),
        ({"w": OLD}, {"w": OLD[:-1]}, 5_000),
        ({"w": OLD}, {"w": OLD + b"x"}, 5_000),
        ({"w": OLD}, {"w": OLD[1:]}, 5_000),
        ({"w": OLD}, {"w": b""}, 0),
        ({"w": OLD}, {"w": b"x"}, 0),
        ({"w": b""}, {"w": OLD}, 0),
        ({"w": BLOCK * 8}, {"w": BLOCK * 3 + b"x" + BLOCK * 9}, 10_000),
        ({"w": bytes(200_000)}, {"w": bytes(500_000)}, 10_000),
        ({"w": bytes(200_000)}, {"w": bytes(50_000) + b"x" + bytes(90_000)}, 12_000),
        ({"a": OLD, "b": BLOCK * 9}, {"a": BLOCK * 9, "b": OLD}, 0),
        ({"a": OLD, "b": BLOCK * 9}, {"a": b"1" + BLOCK * 9, "b": b"2" + OLD}, 10_000),
        ({"w": OLD}, {"renamed": b"1" + OLD}, 5_000),
        ({"w": OLD}, {"w": OLD, "copy": OLD[:90_000] + b"x" + OLD[90_000:]}, 10_000),
    ],
    ids=[
        "half of it", "one byte less", "one more", "the first byte gone", "empty", "a byte",
        "was empty", "blocks repeated", "more zeros", "zeros parted", "swapped",
        "swapped and changed", "renamed and changed", "a changed copy",
    ],
)  # fmt: skip
def test_boundaries(
    storage: ks.Storage,
    bucket: ObjectStore,
    space: str,
    plant: PlantTree,
    fine: None,
    *,
    before: dict[str, bytes],
    after: dict[str, bytes],
    most: int,
) -> None:
    storage.push(f"{space}/models/net", plant(before, "before"))
    version = storage.push(f"{space}/models/net", plant(after, "after"))
    files = files_of(bucket, version)
    for path, data in after.items():
        assert version.open(path).read() == data
        assert len(files[path].extents) <= 6
    assert stored_bytes(bucket, version).get("pack", 0) <= most


def test_a_short_range_between_new_ones_is_uploaded_again(plant: PlantTree, fine: None) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    first = storage.push("vision/models/net", plant({"w": OLD}))
    new = OLD[:80_000] + b"1" + OLD[80_000:83_000] + b"2" + OLD[83_000:]
    version = storage.push("vision/models/net", plant({"w": new}))
    extents = files_of(store, version)["w"].extents
    assert [e.object[:64] for e in extents] == [first.hash, version.hash, first.hash]
    assert extents[1].length >= 3_000


def test_new_ranges_are_laid_into_bounded_packs(plant: PlantTree, fine: None) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    storage.push("vision/models/net", plant({"w": OLD}))
    new = OLD[:50_000] + noise(100_000, 1) + OLD[50_000:] + noise(30_000, 2)
    version = storage.push("vision/models/net", plant({"w": new}))
    packs = {e.object for e in files_of(store, version)["w"].extents if "/pack-" in e.object}
    sizes = [store.head(f"vision/models/net/{pack}")["size"] for pack in packs]
    assert len(packs) >= 5
    assert max(sizes) <= 24 * 1024
    assert version.open("w").read() == new


def test_a_file_with_nothing_in_common_stays_a_plain_object(plant: PlantTree, fine: None) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    storage.push("vision/models/net", plant({"w": OLD}))
    version = storage.push("vision/models/net", plant({"w": noise(200_000, 5)}))
    assert [extent.object for extent in files_of(store, version)["w"].extents] == [
        f"{version.hash}/w"
    ]


@pytest.mark.parametrize("damage", ["gone", "garbage", "cut", "cut otherwise", "too short"])
def test_a_list_that_cannot_be_used_costs_only_an_upload(
    plant: PlantTree, fine: None, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    first = storage.push("vision/models/net", plant({"w": OLD}))
    file = files_of(store, first)["w"]
    name = Name("vision", Kind.MODELS, "net")
    key = name.chunks_key(first.hash, file.sha256)
    data = bytes(store.get(key).bytes())
    if damage == "gone":
        store.delete(key)
    elif damage == "garbage":
        at = len(data) // 3
        store.put(key, data[:at] + bytes(byte ^ 255 for byte in data[at : at + 9]) + data[at + 9 :])
    elif damage == "cut":
        store.put(key, data[:-9])
    elif damage == "cut otherwise":
        monkeypatch.setattr(cutting, "AVERAGE", 2048)
    else:
        few = chunk_lists.load_chunks(store, name, [first.hash], file)
        assert few
        chunk_lists.write_chunks(store, name, first.hash, file, Chunks(few[:-1]))
    new = OLD[:100_000] + b"x" + OLD[100_000:]
    version = storage.push("vision/models/net", plant({"w": new}))
    assert version.open("w").read() == new
    assert "pack" not in stored_bytes(store, version)
    # and the next push has a list again
    third = storage.push("vision/models/net", plant({"w": b"y" + new}))
    assert stored_bytes(store, third)["pack"] <= 5_000


def test_a_large_file_that_changes_meanwhile_is_not_committed(plant: PlantTree, fine: None) -> None:
    store = MemoryStore()
    storage = Storage(LocalBackend(store), "the test")
    first = storage.push("vision/models/net", plant({"w": OLD}))
    root = plant({"w": OLD[:90_000] + noise(9_000, 3) + OLD[90_000:]})

    def meddle(progress: ks.Progress) -> None:
        if progress.phase == "uploading" and not progress.done_bytes:
            with (root / "w").open("r+b") as file:
                file.seek(95_000)
                file.write(b"meanwhile")

    with pytest.raises(ks.SourceChangedError):
        storage.push("vision/models/net", root, progress=meddle)
    assert [version.hash for version in storage.get_versions("vision/models/net")] == [first.hash]


def test_two_pushes_of_the_same_edit_at_once_are_one_version(
    tmp_path: Path, plant: PlantTree, fine: None
) -> None:
    directory = LocalStore(tmp_path / "bucket", mkdir=True)
    Storage(LocalBackend(directory), "a").push("vision/models/net", plant({"w": OLD}))
    root = plant({"w": OLD[:90_000] + noise(9_000, 3) + OLD[90_000:]})

    def push(_: int) -> str:
        return Storage(LocalBackend(directory), "b").push("vision/models/net", root).hash

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(push, range(4)))) == 1
    storage = Storage(LocalBackend(directory), "c")
    assert len(storage.get_versions("vision/models/net")) == 2
    assert storage.get_version("vision/models/net").open("w").read() == (root / "w").read_bytes()
