"""Files that did not change are not read again; whatever is doubtful is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.cache.folder import cache_folder
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.versions import digests, stat_index
from klarity_storage.versions.hashing import digest_and_status
from klarity_storage.versions.scan import SourceFile, scan_tree
from klarity_storage.versions.stat_index import StatIndex

NAME = "vision/datasets/cats"
TREE = {"a": b"1", "b/c": b"22", "b/d é": b"333"}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pushes begin long after the files were written."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 1_000_000_000)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are hashed, by name."""
    seen: list[str] = []

    def counted(file: Any) -> Any:
        seen.append(Path(file).name)
        return digest_and_status(file)

    monkeypatch.setattr(digests, "digest_and_status", counted)
    return seen


@pytest.fixture
def storage() -> Storage:
    return Storage(LocalBackend(MemoryStore()), "the test")


def _index_file() -> Path:
    return cache_folder() / f"files-{os.getuid()}.sqlite"


@pytest.mark.usefixtures("later")
def test_what_did_not_change_is_not_read_again(
    storage: Storage, plant: PlantTree, reads: list[str]
) -> None:
    root = plant(TREE)
    first = storage.push(NAME, root)
    assert sorted(reads) == ["a", "c", "d é"]
    reads.clear()

    assert storage.push(NAME, root).hash == first.hash
    assert Storage(LocalBackend(MemoryStore()), "other").push(NAME, root).hash == first.hash
    assert reads == []
    assert storage.push(NAME, root, trust_stat=False).hash == first.hash
    assert sorted(reads) == ["a", "c", "d é"]


def _write(file: Path) -> None:
    file.write_bytes(b"44")


def _write_and_restore_times(file: Path) -> None:
    status = file.stat()
    file.write_bytes(b"44")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(file: Path) -> None:
    status = file.stat()
    other = file.with_name("other")
    other.write_bytes(b"44")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", [_write, _write_and_restore_times, _replace])
def test_a_change_of_the_same_size_is_seen(
    storage: Storage, plant: PlantTree, reads: list[str], change: Callable[[Path], None]
) -> None:
    root = plant(TREE)
    storage.push(NAME, root)
    reads.clear()
    change(root / "b" / "c")

    assert storage.push(NAME, root).open("b/c").read() == b"44"
    assert reads == ["c"]


@pytest.mark.usefixtures("later")
def test_files_that_come_and_go_are_followed(
    storage: Storage, plant: PlantTree, reads: list[str]
) -> None:
    root = plant(TREE)
    storage.push(NAME, root)
    (root / "a").unlink()
    (root / "0").write_bytes(b"0")
    reads.clear()

    files = storage.push(NAME, root).files()
    assert [file.path for file in files] == ["0", "b/c", "b/d é"]
    assert reads == ["0"]
    with sqlite3.connect(_index_file()) as index:
        rows = index.execute("SELECT path FROM files ORDER BY path").fetchall()
    index.close()
    assert rows == [("0",), ("b/c",), ("b/d é",)]


def test_a_file_that_was_written_just_before_is_not_trusted(
    storage: Storage, plant: PlantTree, reads: list[str]
) -> None:
    """It may be written again in the same tick of the clock, and look the same."""
    root = plant(TREE)
    old = time.time_ns() - 10 * stat_index.TICK_NS
    os.utime(root / "a", ns=(old, old))  # its ctime is of now all the same
    storage.push(NAME, root)
    storage.push(NAME, root)
    assert sorted(reads) == ["a", "a", "c", "c", "d é", "d é"]


@pytest.mark.parametrize("back", [-1, 0, 1])
def test_the_border_is_one_tick(plant: PlantTree, tmp_path: Path, back: int) -> None:
    index = StatIndex(tmp_path, plant({"a": b"1"}))
    source = SourceFile("a", "/a", 1, 5_000_000_000, 6_000_000_000, 1)
    index.record([(source, "0" * 64)], begun_ns=source.ctime_ns + stat_index.TICK_NS + back)
    assert index.find([source]) == ({"a": "0" * 64} if back > 0 else {})


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("damage", ["garbage", "truncated", "other tables", "nonsense in it"])
def test_a_damaged_index_costs_time_once(
    storage: Storage, plant: PlantTree, reads: list[str], damage: str
) -> None:
    root = plant({f"{i:03}": b"x" for i in range(300)})
    version = storage.push(NAME, root)
    file = _index_file()
    if damage == "garbage":
        file.write_bytes(b"garbage" * 1000)
    elif damage == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    else:
        index = sqlite3.connect(file)
        if damage == "other tables":
            index.executescript("DROP TABLE files; CREATE TABLE files(x); PRAGMA user_version=7")
        else:
            index.execute("UPDATE files SET sha256 = 'text', path = CAST(path AS BLOB)")
        index.commit()
        index.close()
    reads.clear()

    assert storage.push(NAME, root).hash == version.hash
    assert len(reads) == 300
    storage.push(NAME, root)  # perhaps only now it is made anew
    reads.clear()
    assert storage.push(NAME, root).hash == version.hash
    assert reads == []


@pytest.mark.usefixtures("later")
def test_a_digest_that_is_wrong_in_the_index_never_gets_into_a_version(
    storage: Storage, plant: PlantTree, reads: list[str]
) -> None:
    root = plant(TREE)
    version = storage.push(NAME, root)
    with sqlite3.connect(_index_file()) as index:
        index.execute("UPDATE files SET sha256 = zeroblob(32) WHERE path = 'a'")
    index.close()
    reads.clear()

    with pytest.raises(ks.SourceChangedError):
        storage.push(NAME, root)
    assert reads == []
    assert storage.push(NAME, root).hash == version.hash
    assert sorted(reads) == ["a", "c", "d é"]


@pytest.mark.usefixtures("later")
def test_a_cache_that_cannot_be_written_costs_time(
    storage: Storage,
    plant: PlantTree,
    reads: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("KS_CACHE", str(tmp_path / "file" / "cache"))
    root = plant(TREE)
    assert storage.push(NAME, root).hash == storage.push(NAME, root).hash
    assert len(reads) == 6


@pytest.mark.usefixtures("later")
def test_an_index_of_somebody_else_is_not_read(
    storage: Storage, plant: PlantTree, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(TREE)
    storage.push(NAME, root)
    mine = _index_file()
    assert mine.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    mine.rename(_index_file())
    reads.clear()

    storage.push(NAME, root)
    assert len(reads) == 3


@pytest.mark.usefixtures("later")
def test_a_locked_index_stays_and_is_waited_for_no_longer_than_it_helps(
    storage: Storage, plant: PlantTree, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stat_index, "_BUSY_SECONDS", 0.01)
    root = plant(TREE)
    storage.push(NAME, root)
    holder = sqlite3.connect(_index_file(), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    storage.push(NAME, root)
    holder.execute("ROLLBACK")
    holder.close()
    reads.clear()
    storage.push(NAME, root)
    assert reads == []


_PUSH = """
import sys, time
from pathlib import Path
from klarity_storage.versions.digests import hash_all
from klarity_storage.versions.scan import scan_tree
from klarity_storage.versions.stat_index import StatIndex
now = time.time_ns
time.time_ns = lambda: now() + 60 * 1_000_000_000
for _ in range(20):
    index = StatIndex(Path(sys.argv[1]), Path(sys.argv[2]))
    assert len(hash_all(scan_tree(Path(sys.argv[2])), None, index)) == 200
    index.forget()
hash_all(scan_tree(Path(sys.argv[2])), None, index)
"""


def test_processes_share_an_index(plant: PlantTree, tmp_path: Path) -> None:
    roots = [plant({f"{i:03}": b"x" for i in range(200)}, name) for name in ("one", "one", "two")]
    cache = tmp_path / "cache"
    running = [
        subprocess.Popen([sys.executable, "-c", _PUSH, str(cache), str(root)]) for root in roots
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    for root in roots:
        sources = scan_tree(root)
        assert len(StatIndex(cache, root).find(sources)) == 200


def test_a_tree_that_is_not_pushed_any_more_is_forgotten(
    plant: PlantTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = plant({"a": b"1"}, "one"), plant({"a": b"1"}, "two")
    later = time.time_ns() + 60 * 1_000_000_000
    StatIndex(tmp_path, one).record([(scan_tree(one)[0], "0" * 64)], begun_ns=later)
    after = time.time() + (stat_index.KEPT_DAYS + 1) * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: after)
    StatIndex(tmp_path, two).record([(scan_tree(two)[0], "0" * 64)], begun_ns=later)
    assert StatIndex(tmp_path, one).find(scan_tree(one)) == {}
    assert StatIndex(tmp_path, two).find(scan_tree(two)) == {"a": "0" * 64}
