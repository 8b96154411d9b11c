"""The local cache: shared, bounded, and never wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.cache.evict import make_room
from klarity_storage.cache.files import Cache, clear
from klarity_storage.cache.folder import cache_folder, cache_limit, parse_size
from klarity_storage.client.local import LocalBackend

TREE = {f"{i % 3}/{i:02}": str(i).encode() * 100 for i in range(20)} | {"same": b"7" * 100}
NAME = "vision/datasets/cats"


@pytest.fixture
def version(tmp_path: Path, plant: PlantTree) -> ks.Version:
    return ks.connect(tmp_path / "store").push(NAME, plant(TREE))


def opened() -> Cache:
    cache = Cache.open()
    assert cache is not None
    return cache


def objects() -> list[Path]:
    return sorted(file for file in (cache_folder() / "objects").rglob("*") if file.is_file())


def without_storage(version: ks.Version, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any byte of a file that is asked of storage is an error from now on."""
    version.files()

    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("asked of storage")

    class Refusing:
        get_range = get = head = refuse

    monkeypatch.setattr(LocalBackend, "reading_store", lambda *_: Refusing())


def test_what_was_kept_is_not_fetched_again(
    version: ks.Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ks.Progress] = []
    version.download(tmp_path / "first", keep=True, progress=seen.append)
    assert (seen[-1].done_files, seen[-1].done_bytes) == (len(TREE), version.info.bytes)
    assert len(objects()) == len({*TREE.values()})
    without_storage(version, monkeypatch)
    seen.clear()
    out = version.download(tmp_path / "second", progress=seen.append)
    assert read_tree(out) == read_tree(tmp_path / "first") == TREE
    assert (seen[-1].done_files, seen[-1].done_bytes) == (len(TREE), version.info.bytes)
    (out / "same").write_bytes(b"mine")  # a copy or reflink of one's own
    assert read_tree(version.download(tmp_path / "third")) == TREE


def test_nothing_is_kept_that_was_not_asked_for(version: ks.Version, tmp_path: Path) -> None:
    version.download(tmp_path / "out")
    assert not (cache_folder() / "objects").exists()


@pytest.mark.parametrize("link", ["auto", "reflink", "hard", "copy"])
def test_every_way_out_of_the_cache_gives_the_same_bytes(
    version: ks.Version, tmp_path: Path, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = version.download(tmp_path / "out", keep=True, link=link)
    assert read_tree(out) == TREE
    linked = {file.stat().st_nlink > 1 for file in out.rglob("*") if file.is_file()}
    assert linked == {link == "hard"}
    writable = {bool(file.stat().st_mode & 0o200) for file in out.rglob("*") if file.is_file()}
    assert writable == {link != "hard"}
    monkeypatch.setenv("KS_CACHE_LINK", link)
    assert read_tree(version.path()) == TREE


def test_a_wrong_setting_is_named(
    version: ks.Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ks.ConfigurationError, match="magic"):
        version.download(tmp_path / "out", keep=True, link="magic")
    monkeypatch.setenv("KS_CACHE_SIZE", "lots")
    with pytest.raises(ks.ConfigurationError, match="lots"):
        version.download(tmp_path / "out", keep=True)


@pytest.mark.parametrize("how", ["longer", "same size", "gone"])
def test_a_file_that_was_written_to_is_never_handed_over(
    version: ks.Version, tmp_path: Path, how: str
) -> None:
    version.download(tmp_path / "first", keep=True)
    for file in objects():
        data = file.read_bytes()
        file.unlink()
        if how == "longer":
            file.write_bytes(data + b"x")
        elif how == "same size":
            file.write_bytes(b"x" * len(data))
    assert read_tree(version.download(tmp_path / "second")) == TREE
    assert read_tree(version.path()) == TREE


def test_verify_finds_what_the_disk_spoiled(version: ks.Version, tmp_path: Path) -> None:
    version.download(tmp_path / "out", keep=True)
    spoiled = objects()[3]
    before = spoiled.stat()
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"x" * before.st_size)
    os.utime(spoiled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert opened().verify() == [spoiled.name]
    assert spoiled not in objects()
    assert opened().verify() == []


def test_the_cache_stays_within_its_bounds(
    tmp_path: Path, plant: PlantTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KS_CACHE_SIZE", "100kB")
    storage = ks.connect(tmp_path / "store")
    for number in range(5):
        tree = plant({f"{i}": bytes([number, i]) * 2_000 for i in range(10)}, f"t{number}")
        version = storage.push(NAME, tree)
        version.download(tmp_path / f"out{number}", keep=True)
        assert opened().index.totals()[2] <= 100_000
        assert sum(file.stat().st_size for file in objects()) <= 100_000
    newest = {file.sha256 for file in version.files()}
    assert newest <= {file.name for file in objects()}


def test_what_is_larger_than_the_cache_is_not_kept(
    version: ks.Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KS_CACHE_SIZE", "1kB")
    assert read_tree(version.download(tmp_path / "out", keep=True)) == TREE
    assert opened().index.totals()[0] == 0
    assert read_tree(version.path()) == TREE


def test_a_tree_that_is_in_use_stays_whole(version: ks.Version) -> None:
    folder = version.path()
    cache = opened()
    make_room(cache, 0)
    assert read_tree(folder) == TREE
    assert cache.index.totals()[0] == 0
    assert read_tree(version.path()) == TREE


def test_a_tree_goes_when_its_process_has_ended(version: ks.Version, tmp_path: Path) -> None:
    program = f"""
import klarity_storage as ks
print(ks.connect({str(tmp_path / "store")!r}).get_version({NAME!r}).path())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    folder = Path(done.stdout.strip())
    assert read_tree(folder) == TREE
    make_room(opened(), 0)
    assert not folder.exists()
    assert objects() == []
    assert opened().index.totals() == (0, 0, 0)
    assert read_tree(version.path()) == TREE


def test_a_cache_that_cannot_be_written_to_is_used(
    version: ks.Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_folder().mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(cache_folder())], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        version.download(tmp_path / "first", keep=True)
        subprocess.run(["mount", "-o", "remount,ro", str(cache_folder())], check=True)
        with pytest.raises(ks.StorageError, match="read-only"):
            version.path()
        without_storage(version, monkeypatch)
        assert read_tree(version.download(tmp_path / "second", keep=True)) == TREE
    finally:
        subprocess.run(["umount", "--lazy", str(cache_folder())], check=True)


def test_a_group_shares_a_cache_whose_folder_says_so(version: ks.Version) -> None:
    cache_folder().mkdir(parents=True, exist_ok=True)
    cache_folder().chmod(0o2770)
    tree = version.path()
    for folder in (tree, objects()[0].parent, objects()[0].parent.parent):
        assert folder.stat().st_mode & 0o7777 == 0o2770
    assert objects()[0].stat().st_mode & 0o777 == 0o440
    assert (cache_folder() / "index.sqlite3").stat().st_mode & 0o777 == 0o660


def test_processes_fill_it_at_once(version: ks.Version, tmp_path: Path) -> None:
    program = """
import sys, klarity_storage as ks
ks.connect(sys.argv[1]).get_version(sys.argv[2]).download(sys.argv[3], keep=True)
print(ks.connect(sys.argv[1]).get_version(sys.argv[2]).path())
"""
    args = [sys.executable, "-c", program, str(tmp_path / "store"), NAME]
    running = [
        subprocess.Popen([*args, str(tmp_path / f"out{i}")], stdout=subprocess.PIPE)
        for i in range(3)
    ]
    assert len({process.communicate()[0] for process in running}) == 1
    assert [process.returncode for process in running] == [0, 0, 0]
    assert read_tree(version.path()) == TREE
    assert opened().verify() == []
    assert not list(cache_folder().glob("partial-*"))


def test_damaged_storage_leaves_nothing_wrong_in_the_cache(
    version: ks.Version, tmp_path: Path
) -> None:
    stored = tmp_path / "store" / NAME / version.hash / "1" / "01"
    stored.write_bytes(b"x" * stored.stat().st_size)
    with pytest.raises(ks.IntegrityError, match="1/01"):
        version.download(tmp_path / "out", keep=True)
    assert read_tree(tmp_path / "out") == {k: v for k, v in TREE.items() if k != "1/01"}
    assert opened().verify() == []


def test_a_broken_index_is_told_and_cleared(version: ks.Version, tmp_path: Path) -> None:
    version.download(tmp_path / "out", keep=True)
    for file in cache_folder().glob("index.sqlite3-*"):
        file.unlink()
    (cache_folder() / "index.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(ks.UnavailableError, match="index"):
        version.download(tmp_path / "again")
    clear(cache_folder())
    assert read_tree(version.download(tmp_path / "again", keep=True)) == TREE


def test_sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [parse_size(text) for text in ("1", "2kB", "2KiB", "1.5m", "3 TiB")] == [
        1, 2_000, 2_048, 1_500_000, 3 * 2**40,
    ]  # fmt: skip
    assert 0 < cache_limit(tmp_path / "not" / "there") <= 50 * 2**30
