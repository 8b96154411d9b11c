"""Pulls that go wrong: nothing half-written stands under a final name."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree

TREE = {f"{i:02}/file": str(i).encode() * 100_000 for i in range(30)}


@pytest.fixture
def version(tmp_path: Path, plant: PlantTree) -> ks.Version:
    return ks.connect(tmp_path / "store").push("vision/datasets/cats", plant(TREE))


def test_other_content_in_the_destination_stays_and_nothing_is_written(
    version: ks.Version, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "29").mkdir(parents=True)
    (out / "29" / "file").write_bytes(b"mine")
    with pytest.raises(ks.AlreadyExistsError, match="29/file"):
        version.download(out)
    assert read_tree(out) == {"29/file": b"mine"}


def test_unrelated_files_in_the_destination_stay(version: ks.Version, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_bytes(b"mine")
    version.download(out)
    assert read_tree(out) == TREE | {"notes.txt": b"mine"}


def test_what_is_there_already_is_not_fetched_again(version: ks.Version, tmp_path: Path) -> None:
    out = version.download(tmp_path / "out")
    (out / "00" / "file").unlink()
    before = (out / "01" / "file").stat().st_ino
    seen: list[ks.Progress] = []
    version.download(out, progress=seen.append)

    assert read_tree(out) == TREE
    assert seen[-1].total_files == 1
    assert (out / "01" / "file").stat().st_ino == before


@pytest.mark.parametrize("target", ["outside", "nowhere"])
def test_a_link_in_the_destination_does_not_lead_out(
    version: ks.Version, tmp_path: Path, target: str
) -> None:
    (tmp_path / "outside").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "07").symlink_to(tmp_path / target)
    with pytest.raises(ks.InvalidPathError, match="out of it"):
        version.download(out)
    assert read_tree(tmp_path / "outside") == {}


def test_a_file_in_the_place_of_the_destination_is_named(
    version: ks.Version, tmp_path: Path
) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(ks.StorageError, match="out"):
        version.download(tmp_path / "out")


def test_a_pull_that_is_killed_leaves_whole_files_and_goes_on(
    version: ks.Version, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    program = f"""
import os, signal, klarity_storage as ks
def die(progress):
    if progress.done_files >= 5:
        os.kill(os.getpid(), signal.SIGKILL)
ks.connect({str(tmp_path / "store")!r}).get_version("vision/datasets/cats").download(
    {str(out)!r}, progress=die)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == -signal.SIGKILL
    whole = {path: data for path, data in read_tree(out).items() if ".ks-pull-" not in path}
    assert 1 <= len(whole) < len(TREE)
    assert whole.items() <= TREE.items()
    version.download(out)
    assert read_tree(out) == TREE
    assert not list(out.glob(".ks-pull-*"))


def test_a_full_disk_leaves_nothing_half_written(version: ks.Version, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with pytest.raises(ks.StorageFullError, match="full"):
            version.download(disk / "out")
        found = read_tree(disk / "out")
        assert found.items() <= TREE.items()
        with pytest.raises(ks.StorageFullError):
            ks.connect(disk / "store").push("vision/datasets/cats", tmp_path / "tree")
        assert ks.connect(disk / "store").get_datasets("all") == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_cached_tree_is_fetched_once_and_read_only(version: ks.Version) -> None:
    folder = version.path()
    assert read_tree(folder) == TREE
    assert {file.stat().st_mode & 0o777 for file in folder.rglob("*") if file.is_file()} == {0o444}
    inode = folder.stat().st_ino
    assert version.path().stat().st_ino == inode
    assert list(folder.parent.iterdir()) == [folder]
