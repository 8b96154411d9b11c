"""The index of contents: rebuilt from what storage has, and never trusted."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore, ObjectStore

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.content_index import (
    content_hints,
    hinted_versions,
    write_added,
)
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest
from klarity_storage.versions.stored import added_to, find_stored
from versions.support import Wrapped

NAME = Name("vision", Kind.DATASETS, "cats")
Contents = dict[str, set[int]]


def digest(content: int) -> str:
    return sha256(str(content).encode()).hexdigest()


def make_history(store: ObjectStore, versions: list[set[int]], *, lists: bool) -> list[VersionInfo]:
    """Commits of these contents, newest first, by manifests alone."""
    known: list[tuple[VersionInfo, Manifest]] = []
    for number, contents in enumerate(versions):
        version = sha256(f"version {number}".encode()).hexdigest()
        manifest = Manifest.of(
            FileInfo(f"{c:06}", 1, digest(c), "", (Extent(f"{version}/{c:06}", 0, 1),))
            for c in contents
        )
        file_name, data = manifest.encode()
        store.put(NAME.manifest_key(version, file_name), data)
        if lists and known:
            added = added_to(known[-1][0], known[-1][1], manifest)
            write_added(store, NAME, version, file_name, added)
        info = VersionInfo(
            space="vision", kind=Kind.DATASETS, name="cats", version=version, seq=number,
            at=datetime.now(UTC), by="user:test", message="", parents=[], lineage=[], metadata={},
            manifest=file_name, files=len(contents), bytes=len(contents), tags=[], latest=False,
        )  # fmt: skip
        known.append((info, manifest))
    return [info for info, _ in reversed(known)]


def wanted(contents: set[int]) -> list[FileInfo]:
    return [FileInfo(f"{c}", 1, digest(c), "", ()) for c in contents]


@pytest.mark.parametrize("lists", [True, False], ids=["from lists", "from manifests"])
@pytest.mark.parametrize("kept", [True, False], ids=["in a file", "in memory"])
@settings(deadline=None, max_examples=40)
@given(
    versions=st.lists(st.sets(st.integers(0, 12), min_size=1), min_size=1, max_size=6),
    data=st.data(),
)
def test_what_live_versions_hold_is_found_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    lists: bool,
    kept: bool,
    versions: list[set[int]],
    data: st.DataObject,
) -> None:
    store = MemoryStore()
    known = make_history(store, versions, lists=lists)
    index = tmp_path_factory.mktemp("index") / "index.sqlite" if kept else None
    by_version = {info.version: versions[info.seq] for info in known}
    for _ in range(3):  # versions go and come back
        live = data.draw(st.lists(st.sampled_from(known), min_size=1, unique_by=lambda i: i.seq))
        live.sort(key=lambda info: -info.seq)
        found = find_stored(store, NAME, live, None, wanted(set(range(15))), index)
        held = set().union(*(by_version[info.version] for info in live))
        if len(live) > 1:
            assert {sha for sha, _ in found} == {digest(content) for content in held}
        folders = {extent.object[:64] for extents in found.values() for extent in extents}
        assert folders <= {info.version for info in live}


def counting(store: ObjectStore, keys: list[str]) -> ObjectStore:
    def get(path: str, **options: object) -> object:
        keys.append(path)
        return store.get(path, **options)  # type: ignore[arg-type]

    wrapped: ObjectStore = Wrapped(store, get=get)  # type: ignore[assignment]
    return wrapped


def test_only_what_is_new_is_read_and_of_it_only_the_list(tmp_path: Path) -> None:
    store = MemoryStore()
    known = make_history(store, [set(range(n, n + 50)) for n in range(20)], lists=True)
    index = tmp_path / "index.sqlite"
    keys: list[str] = []
    watched = counting(store, keys)
    hinted_versions(watched, NAME, known[1:], [1], index)
    assert sum("/manifest-" in key for key in keys) == 1  # the first version has no list
    keys.clear()
    assert hinted_versions(watched, NAME, known, content_hints([digest(68)]), index)
    assert keys == [NAME.added_key(known[0].version, known[0].manifest)]
    keys.clear()
    hinted_versions(watched, NAME, known, [1], index)
    assert keys == []


def damage(index: Path, how: str) -> None:
    if how == "garbage":
        index.write_bytes(b"no database" * 1000)
    elif how == "cut":
        index.write_bytes(index.read_bytes()[:-4096])
    elif how == "a page":
        data = bytearray(index.read_bytes())
        data[4096:] = random.Random(1).randbytes(len(data) - 4096)
        index.write_bytes(data)
    elif how == "other tables":
        index.unlink()
        with sqlite3.connect(index) as other:
            other.execute("CREATE TABLE versions(x)")
        other.close()
    else:
        index.unlink()
        index.mkdir()


@pytest.mark.parametrize("how", ["garbage", "cut", "a page", "other tables", "a folder"])
def test_a_damaged_index_costs_only_time(tmp_path: Path, how: str) -> None:
    store = MemoryStore()
    known = make_history(store, [set(range(n * 100, n * 100 + 300)) for n in range(9)], lists=True)
    index = tmp_path / "index.sqlite"
    files = wanted(set(range(1200)))
    whole = find_stored(store, NAME, known, None, files, index)
    assert len(whole) == 1100
    damage(index, how)
    assert find_stored(store, NAME, known, None, files, index) == whole
    assert find_stored(store, NAME, known, None, files, index) == whole
    if how != "a folder":  # it was made anew
        with sqlite3.connect(index) as again:
            assert again.execute("SELECT count(*) FROM versions").fetchone() == (9,)
        again.close()


def test_an_index_that_another_process_holds_or_that_is_read_only_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    known = make_history(store, [{1, 2}, {2, 3}, {4}], lists=True)
    index = tmp_path / "index.sqlite"
    find_stored(store, NAME, known[1:], None, wanted({1, 2, 3}), index)
    monkeypatch.setattr("klarity_storage.versions.content_index._BUSY_SECONDS", 0.01)
    holder = sqlite3.connect(index, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert len(find_stored(store, NAME, known, None, wanted({1, 2, 3, 4}), index)) == 4
    holder.close()
    assert index.exists()


def test_a_list_that_lies_costs_only_time(tmp_path: Path) -> None:
    store = MemoryStore()
    known = make_history(store, [{1, 2}, {2, 3}, {3, 4}], lists=True)
    middle = known[1]
    lie = added_to(middle, Manifest.of(wanted({9})), Manifest.of(wanted({1, 4, 7})))
    write_added(store, NAME, middle.version, middle.manifest, lie)
    found = find_stored(store, NAME, known, None, wanted({1, 2, 4, 7}), tmp_path / "index")
    assert {sha for sha, _ in found} >= {digest(1), digest(2), digest(4)}
    assert digest(7) not in {sha for sha, _ in found}
    key = NAME.added_key(middle.version, middle.manifest)
    for garbage in (b"", b"PAR1", bytes(store.get(key).bytes())[:-30]):
        store.put(key, garbage)
        assert len(find_stored(store, NAME, known, None, wanted({1, 2, 3, 4}), None)) == 4


def test_two_processes_may_extend_an_index_at_once(tmp_path: Path) -> None:
    store = MemoryStore()
    known = make_history(store, [set(range(n * 10, n * 10 + 30)) for n in range(30)], lists=True)
    files = wanted(set(range(320)))
    index = tmp_path / "index.sqlite"
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(find_stored, store, NAME, known[n % 4 :], None, files, index)
            for n in range(24)
        ]
    assert {len(job.result()) for job in jobs} == {320, 310, 300, 290}
