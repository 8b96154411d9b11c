"""Deleting, collecting, and pushing again what was deleted or purged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import ObjectStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest, Garbage, VersionInfo
from klarity_storage.versions.gc import collect_garbage
from klarity_storage.versions.history import read_history
from versions.support import commit, keys_below, upload

NOW = timedelta(0)


@pytest.fixture
def name(space: str) -> Name:
    return Name(space, Kind.DATASETS, "cats")


def collect(storage: Storage, name: Name, grace: timedelta = NOW) -> Garbage:
    ((_, found),) = storage.collect_garbage(str(name), grace=grace, dry_run=False)
    return found


def pull(version: ks.Version) -> dict[str, bytes]:
    return {file.path: version.open(file.path).read() for file in version.files()}


def test_a_deleted_version_leaves_the_lists_and_its_bytes_stay(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name
) -> None:
    first = storage.push(str(name), plant({"a": b"1"}, "first"))
    second = storage.push(str(name), plant({"a": b"2"}, "second"))
    before = keys_below(bucket, name.version_prefix(second.hash))

    storage.delete(f"{name}@{second.hash[:8]}", reason="a mistake")

    assert [version.hash for version in storage.get_versions(str(name))] == [first.hash]
    with pytest.raises(ks.VersionNotFoundError):
        storage.get_version(second.ref)
    with pytest.raises(ks.VersionNotFoundError):
        storage.delete(second.ref)
    assert keys_below(bucket, name.version_prefix(second.hash)) == before
    (event,) = storage.get_events(str(name))
    assert (event.action, event.version, event.reason) == ("delete", second.hash, "a mistake")


def test_what_a_tag_stands_for_is_not_deleted_by_accident(
    storage: Storage, plant: PlantTree, name: Name
) -> None:
    version = storage.push(str(name), plant({"a": b"1"}))
    storage.tag(version.ref, "prod")
    with pytest.raises(ks.ConflictError, match="prod") as caught:
        storage.delete(version.ref)
    assert caught.value.hint == f"ks tag rm {name} prod"
    with pytest.raises(ks.InvalidReferenceError):
        storage.delete(str(name))
    storage.delete(f"{name}@prod", untag=True)
    with pytest.raises(ks.VersionNotFoundError):
        storage.get_versions(str(name))


def test_pushing_what_was_deleted_brings_it_back_without_an_upload(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name
) -> None:
    first = storage.push(str(name), plant({"a": b"1"}, "first"))
    storage.push(str(name), plant({"a": b"2"}, "second"))
    storage.delete(first.ref)
    before = keys_below(bucket, name.prefix)

    again = storage.push(str(name), plant({"a": b"1"}, "first"), message="back")

    assert (again.hash, again.info.latest) == (first.hash, True)
    new = keys_below(bucket, name.prefix) - before
    assert all(key.startswith("_log/") for key in new)
    assert pull(again) == {"a": b"1"}


def test_pushing_what_was_purged_uploads_it_again(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name
) -> None:
    first = storage.push(str(name), plant({"a": b"1", "shared": b"s"}, "first"))
    second = storage.push(str(name), plant({"b": b"2", "shared": b"s"}, "second"))
    for _ in range(3):
        storage.delete(first.ref)
        assert collect(storage, name).objects
        first = storage.push(str(name), plant({"a": b"1", "shared": b"s"}, "first"))
        assert pull(first) == {"a": b"1", "shared": b"s"}
        assert pull(second) == {"b": b"2", "shared": b"s"}
        assert storage.verify(str(name)).whole
    assert collect(storage, name).objects == 0


def test_only_what_nobody_refers_to_is_collected(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name
) -> None:
    first = storage.push(str(name), plant({"a": b"1", "shared": b"s"}, "first"))
    second = storage.push(str(name), plant({"b": b"22", "shared": b"s"}, "second"))
    storage.delete(first.ref)
    before = keys_below(bucket, name.prefix)

    ((told, dry),) = storage.collect_garbage(str(name), grace=NOW)
    assert keys_below(bucket, name.prefix) == before
    done = collect(storage, name)

    assert told == str(name)
    assert done.items == dry.items
    gone = {item.key.removeprefix(name.prefix) for item in done.items}
    assert gone == {f"{first.hash}/a", f"{first.hash}/_ks/{first.info.manifest}"}
    assert {item.reason for item in done.items} == {"deleted"}
    assert done.bytes == sum(item.size for item in dry.items) > 1
    left = {key for key in keys_below(bucket, name.prefix) if not key.startswith("_log/")}
    assert left == {key for key in before if not key.startswith("_log/")} - gone
    assert pull(second) == {"b": b"22", "shared": b"s"}
    assert collect(storage, name).objects == 0


def test_the_young_and_what_is_not_ours_is_left_alone(bucket: ObjectStore, name: Name) -> None:
    kept = commit(bucket, name, upload(bucket, name, {"a": b"1"}))
    upload(bucket, name, {"b": b"1", "c": b"1"})
    bucket.put(f"{name.prefix}README", b"of somebody else")
    bucket.put(name.version_prefix(kept.version) + "_ks/added-x.parquet", b"a companion")
    before = keys_below(bucket, name.prefix)

    def run(now: datetime) -> Garbage:
        return collect_garbage(bucket, name, by="user:a", dry_run=False, now=now)

    soon = run(datetime.now(UTC) + timedelta(hours=23))
    assert (soon.objects, soon.young) == (0, 3)
    assert keys_below(bucket, name.prefix) == before
    late = run(datetime.now(UTC) + timedelta(hours=25))
    assert (late.objects, late.young) == (3, 0)
    assert {item.reason for item in late.items} == {"unfinished"}
    left = keys_below(bucket, name.prefix)
    assert {"README", f"{kept.version}/_ks/added-x.parquet", f"{kept.version}/a"} <= left


def test_what_was_deleted_lately_is_young(
    bucket: ObjectStore, storage: Storage, name: Name
) -> None:
    info = commit(bucket, name, upload(bucket, name, {"a": b"1"}))
    storage.delete(f"{name}@{info.version}")
    soon = datetime.now(UTC) + timedelta(hours=23)
    assert collect_garbage(bucket, name, by="user:a", now=soon).young == 2


def test_a_purge_in_the_midst_of_a_push_is_made_up_for(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name
) -> None:
    """What the push found stored, or uploaded, is gone before it commits: it goes up again."""
    first = storage.push(str(name), plant({"shared": b"s", "a": b"1"}, "first"))
    backend = storage._backend
    commit_to = backend.commit
    once = iter([True])

    def commit(name: Name, request: CommitRequest) -> VersionInfo:
        if next(once, False):
            storage.delete(first.ref)
            assert collect(storage, name).objects
        return commit_to(name, request)

    backend.commit = commit  # type: ignore[method-assign]
    version = storage.push(str(name), plant({"shared": b"s", "b": b"2"}, "second"))

    assert pull(version) == {"shared": b"s", "b": b"2"}
    assert storage.verify(str(name)).whole


def test_why_something_is_kept(storage: Storage, plant: PlantTree, name: Name) -> None:
    first = storage.push(str(name), plant({"a": b"1", "shared": b"s"}, "first"))
    second = storage.push(str(name), plant({"b": b"2", "shared": b"s"}, "second"))
    storage.tag(first.ref, "prod")
    assert storage.why(first.ref).because == ("The tag prod stands for it.",)
    assert storage.why(f"{name}@latest").because == ("It is the latest version.",)
    storage.delete(first.ref, untag=True)

    why = storage.why(first.ref)
    assert why.kept
    assert why.because[1] == f"Version {second.hash[:12]} refers to 1 of its objects, 1 bytes."
    kept = storage.why(f"{name}/{first.hash}/shared")
    assert (kept.kept, kept.because) == (True, (f"Version {second.hash[:12]} refers to it.",))
    assert "was deleted" in storage.why(f"{name}/{first.hash}/a").because[0]
    assert "ever" in storage.why(f"{name}/{first.hash}/z").because[0]
    collect(storage, name)
    assert "purged" in storage.why(f"{name}/{first.hash}/a").because[0]
    with pytest.raises(ks.VersionNotFoundError):
        storage.why(f"{name}@ffffff")


def test_uploads_of_a_name_without_a_commit_are_found(
    bucket: ObjectStore, storage: Storage, name: Name
) -> None:
    request = upload(bucket, name, {"a": b"1"})
    (found,) = storage.collect_garbage(name.space, grace=NOW, dry_run=False)
    assert (found[0], found[1].objects) == (str(name), 2)
    with pytest.raises(ks.PurgedError):
        commit(bucket, name, request)


def test_what_is_deleted_while_it_is_verified_is_not_damaged(
    storage: Storage, plant: PlantTree, name: Name
) -> None:
    first = storage.push(str(name), plant({"a": b"1"}, "first"))
    storage.push(str(name), plant({"a": b"2"}, "second"))
    once = iter([True])

    def progress(_: ks.Progress) -> None:
        if next(once, False):
            storage.delete(first.ref)
            collect(storage, name)

    report = storage.verify(str(name), progress=progress)
    assert (report.versions, report.damaged) == (2, ())


def test_lineage_goes_both_ways(storage: Storage, plant: PlantTree, space: str) -> None:
    cats = storage.push(f"{space}/datasets/cats", plant({"a": b"1"}, "cats"))
    ref = f"{space}/models/net"
    net = storage.push(ref, plant({"w": b"1"}, "net"), lineage=[f"{space}/datasets/cats"])
    report = storage.push(f"{space}/artefacts/report", plant({"r": b"1"}, "r"), lineage=[net.ref])

    found = storage.lineage(ref)
    assert (found.ref, found.made_from, found.made_into) == (net.ref, [cats.ref], [report.ref])
    assert storage.lineage(cats.ref).made_into == [net.ref]
    storage.delete(net.ref)
    assert storage.lineage(cats.ref).made_into == []


def test_pushes_and_collections_at_once_leave_every_version_whole(
    bucket: ObjectStore, storage: Storage, plant: PlantTree, name: Name, tmp_path: Path
) -> None:
    trees = [plant({"own": bytes([i]), "shared": b"s" * 100}, f"tree{i}") for i in range(6)]

    def push(i: int) -> None:
        for tree in (trees[i % 6], trees[(i + 1) % 6]):
            storage.push(str(name), tree)

    def drop(_: int) -> None:
        for version in read_history(bucket, name).versions()[1:]:
            try:
                storage.delete(f"{name}@{version.version}")
            except ks.NotFoundError:
                continue
            collect(storage, name)

    with ThreadPoolExecutor(6) as pool:
        pushes = [pool.submit(push, i) for i in range(12)]
        drops = [pool.submit(drop, i) for i in range(6)]
        for future in [*pushes, *drops]:
            future.result()

    push(0)  # drops that overlap may have left nothing
    report = storage.verify(str(name))
    assert report.damaged == ()
    assert report.versions
    collect(storage, name)
    assert storage.verify(str(name)).whole
