"""What a commit refuses, and what happens when several come at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import obstore
import pyarrow as pa
import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.versions.history import read_history
from klarity_storage.versions.manifest import SCHEMA, Extent, Manifest
from versions.support import Wrapped, commit, file_info, keys_below, upload, upload_manifest


@pytest.fixture
def name(space: str) -> Name:
    return Name(space, Kind.DATASETS, "cats")


def test_a_commit_is_refused_without_its_manifest(bucket: ObjectStore, name: Name) -> None:
    request = upload(bucket, name, {"a": b"1"})
    bucket.delete(name.manifest_key(request.version, request.manifest))

    with pytest.raises(ks.InvalidManifestError, match="missing"):
        commit(bucket, name, request)
    assert read_history(bucket, name).length == 0


def test_a_commit_is_refused_without_an_object(bucket: ObjectStore, name: Name) -> None:
    request = upload(bucket, name, {"a": b"1", "b": b"2"})
    bucket.delete(name.object_key(f"{request.version}/b"))

    with pytest.raises(ks.InvalidManifestError, match="not in storage"):
        commit(bucket, name, request)
    assert read_history(bucket, name).length == 0


def test_many_objects_are_found_by_listing(bucket: ObjectStore, name: Name) -> None:
    request = upload(bucket, name, {f"{i:03}": b"x" * i for i in range(40)})
    assert commit(bucket, name, request).files == 40

    other = upload(bucket, name, {f"{i:03}": b"y" * i for i in range(40)})
    bucket.delete(name.object_key(f"{other.version}/007"))
    with pytest.raises(ks.InvalidManifestError, match="007"):
        commit(bucket, name, other)


def _forged(bucket: ObjectStore, name: Name, extent: Extent, size: int | None = None) -> Any:
    """A manifest whose one file has this extent; ``{}`` in it is the version."""
    info = file_info("a", b"x" * (extent.length if size is None else size))
    version = Manifest.of([info]).version_hash()
    bucket.put(name.object_key(f"{version}/a"), b"x" * 10)
    placed = Extent(extent.object.replace("{}", version), extent.offset, extent.length)
    file = file_info("a", b"x" * info.size, placed)
    return upload_manifest(bucket, name, version, Manifest.of([file]))


@pytest.mark.parametrize(
    ("extent", "size", "says"),
    [
        (Extent("{}/a", 5, 6), None, "ends at byte 11"),
        (Extent("{}/a", 0, 9), 10, "its extents have 9"),
        (Extent("{}/a", -1, 5), None, "no range"),
        (Extent("../dogs/{}/a", 0, 5), None, "version's folder"),
        (Extent("{}/../../dogs/a", 0, 5), None, r"'\.\.'"),
        (Extent("_log/00000000000000000000.json", 0, 5), None, "version's folder"),
        (Extent("{}/_ks/manifest-1.parquet", 0, 5), None, "reserved"),
        (Extent("0" * 64 + "/a", 0, 5), None, "not in storage"),
    ],
)
def test_extents_that_leave_or_lie_are_refused(
    bucket: ObjectStore, name: Name, extent: Extent, size: int | None, says: str
) -> None:
    request = _forged(bucket, name, extent, size)

    with pytest.raises(ks.InvalidManifestError, match=says):
        commit(bucket, name, request)
    assert read_history(bucket, name).length == 0


def test_a_forged_hash_is_refused(name: Name) -> None:
    store = MemoryStore()
    request = upload(store, name, {"a": b"1"})
    forged = "0" * 64
    data = bytes(store.get(name.manifest_key(request.version, request.manifest)).bytes())
    store.put(name.manifest_key(forged, request.manifest), data)

    with pytest.raises(ks.InvalidManifestError, match="have the hash"):
        commit(
            store,
            name,
            CommitRequest(version=forged, manifest=request.manifest, write_id="w"),
        )


def _row(path: str, extents: Any = ()) -> dict[str, Any]:
    empty = file_info(path, b"")
    return {
        "path": path,
        "size": 0,
        "sha256": empty.sha256,
        "media_type": "x/y",
        "extents": list(extents),
    }


def _extent(path: str, offset: int = 0, length: int = 0) -> dict[str, Any]:
    return {"object": f"{'0' * 64}/{path}", "offset": offset, "length": length}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "lists no file"),
        ([_row("b"), _row("a")], "out of order"),
        ([_row("a"), _row("a")], "listed twice"),
        ([_row("a"), _row("a-b"), _row("a/b")], "a file and a folder"),
        ([_row("../a")], r"'\.\.'"),
        ([_row("/a")], "begins with a slash"),
        ([_row("_ks/a")], "reserved"),
        ([_row("a\nb")], "control character"),
        ([_row("a") | {"sha256": "XYZ"}], "not a SHA-256"),
        ([_row("a") | {"size": -1}], "-1 bytes"),
        ([_row("")], "it is empty"),
        ([_row("a/..")], r"'\.\.'"),
        ([_row("a/./b")], r"'\.'"),
        ([_row("a/")], "an empty segment"),
        ([_row("a//b")], "an empty segment"),
        ([_row("a\\b")], "backslash"),
        ([_row("a\x85b")], "control character"),
        ([_row("é" * 126)], "longer than 250"),
        ([_row("/".join(["x" * 200] * 6))], "longer than 1024"),
        ([_row("a") | {"sha256": "0" * 65}], "not a SHA-256"),
        ([_row("a") | {"sha256": "0" * 64 + "\n"}], "not a SHA-256"),
        ([_row("a/b/c/d"), _row("a/b/c/d/e/f/g")], "'a/b/c/d' is a file and a folder"),
        ([_row("a", [_extent("_ks/pack-0.bin")])], "reserved"),
        ([_row("a", [_extent("a\tb")])], "control character"),
        ([_row("a", [_extent("")])], "it is empty"),
        ([_row("a", [_extent("x" * 251)])], "longer than 250"),
        ([_row("a", [_extent("a", length=2**62)] * 4)], "more bytes than can be"),
        ([_row("a", [_extent("a", offset=2**63 - 1, length=1)]) | {"size": 1}], "no range"),
        ([_row("a", [None])], "nulls|not a manifest"),
    ],
)
def test_a_manifest_that_lists_nonsense_is_refused(
    name: Name, rows: list[dict[str, Any]], says: str
) -> None:
    store = MemoryStore()
    manifest = Manifest(pa.Table.from_pylist(rows, SCHEMA))
    request = upload_manifest(store, name, "0" * 64, manifest)

    with pytest.raises(ks.InvalidManifestError, match=says):
        commit(store, name, request)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not Parquet" * 10])
def test_a_manifest_that_is_not_parquet_is_refused(name: Name, data: bytes) -> None:
    import hashlib

    store = MemoryStore()
    manifest = f"manifest-{hashlib.sha256(data).hexdigest()}.parquet"
    store.put(name.manifest_key("0" * 64, manifest), data)

    with pytest.raises(ks.InvalidManifestError, match="not a manifest"):
        commit(store, name, CommitRequest(version="0" * 64, manifest=manifest, write_id="w"))


def test_unknown_parents_and_unreadable_lineage_are_refused(name: Name) -> None:
    store = MemoryStore()
    request = upload(store, name, {"a": b"1"})
    for change in ({"parents": ["1" * 64]}, {"lineage": ["nonsense"]}, {"version": "zz"}):
        fields = {f: getattr(request, f) for f in request.__struct_fields__} | change
        with pytest.raises(ks.InvalidInputError):
            commit(store, name, CommitRequest(**fields))
    assert read_history(store, name).length == 0


def test_different_contents_at_once_are_all_in_the_history(bucket: ObjectStore, name: Name) -> None:
    requests = [upload(bucket, name, {"a": str(i).encode()}) for i in range(8)]
    barrier = threading.Barrier(8)

    def race(request: CommitRequest) -> int:
        barrier.wait()
        return commit(bucket, name, request).seq

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(race, requests))

    history = read_history(bucket, name)
    assert sorted(numbers) == list(range(8))
    assert {info.version for info in history.versions()} == {r.version for r in requests}


def test_the_same_content_at_once_is_one_commit(bucket: ObjectStore, name: Name) -> None:
    request = upload(bucket, name, {"a": b"1"})
    requests = [
        CommitRequest(version=request.version, manifest=request.manifest, write_id=str(i))
        for i in range(8)
    ]
    barrier = threading.Barrier(8)

    def race(request: CommitRequest) -> int:
        barrier.wait()
        return commit(bucket, name, request).seq

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(race, requests)) == {0}
    assert read_history(bucket, name).length == 1


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize(
    "answer", [obstore.exceptions.AlreadyExistsError("412"), obstore.exceptions.GenericError("cut")]
)
def test_a_lost_answer_is_no_conflict_with_oneself(
    name: Name, answer: Exception, *, landed: bool
) -> None:
    store = MemoryStore()
    request = upload(store, name, {"a": b"1"})
    lost: list[str] = []

    def put(path: str, data: Any, **options: Any) -> Any:
        if not lost and path.startswith(name.log_prefix):
            lost.append(path)
            if landed:
                store.put(path, data, **options)
            elif isinstance(answer, obstore.exceptions.AlreadyExistsError):
                store.put(path, _somebody_elses_entry(store, name), mode="create")
            raise answer
        return store.put(path, data, **options)

    broken: Any = Wrapped(store, put=put)
    if isinstance(answer, obstore.exceptions.GenericError) and not landed:
        with pytest.raises(ks.UnavailableError):
            commit(broken, name, request)
    else:
        commit(broken, name, request)
    mine = [
        info for info in read_history(store, name).versions() if info.version == request.version
    ]
    assert len(mine) == (
        0 if isinstance(answer, obstore.exceptions.GenericError) and not landed else 1
    )
    assert lost


def _somebody_elses_entry(store: ObjectStore, name: Name) -> bytes:
    other = Name(name.space, name.kind, "other")
    commit(store, other, upload(store, other, {"z": b"9"}))
    return bytes(store.get(other.log_key(0)).bytes())


def test_only_the_log_is_written_by_a_commit(bucket: ObjectStore, name: Name) -> None:
    request = upload(bucket, name, {"a": b"1"})
    before = keys_below(bucket, name.prefix)
    commit(bucket, name, request)

    assert keys_below(bucket, name.prefix) - before == {"_log/00000000000000000000.json"}
