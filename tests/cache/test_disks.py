"""The cache on disks of their own: one that is full, and one that can reflink."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import klarity_storage as ks
from conftest import PlantTree, read_tree
from klarity_storage.cache import link
from klarity_storage.cache.files import Cache
from klarity_storage.cache.folder import cache_folder

MIB = 1024 * 1024
NAME = "vision/datasets/cats"
TREE = {f"{i}": bytes([i]) * MIB for i in range(6)} | {"small": b"1"}


@contextmanager
def mounted(folder: Path, *what: str) -> Iterator[Path]:
    """A disk on a folder, where the system lets us mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *what, str(folder)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_cache_leaves_nothing_wrong_and_the_pull_goes_without_it(
    plant: PlantTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KS_CACHE_SIZE", "1GB")  # more than the disk has
    version = ks.connect(tmp_path / "store").push(NAME, plant(TREE))
    with mounted(cache_folder(), "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        with pytest.raises(ks.StorageFullError) as failure:
            version.download(tmp_path / "out", keep=True)
        assert failure.value.hint
        cache = Cache.open()
        assert cache is not None
        assert cache.verify() == []
        whole = {
            path: data
            for path, data in read_tree(tmp_path / "out").items()
            if not path.startswith(".ks-pull-")
        }
        assert whole.items() <= TREE.items()
        assert read_tree(version.download(tmp_path / "out")) == TREE


def test_a_file_leaves_the_cache_as_a_reflink_where_the_disk_can(
    plant: PlantTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("no disk that can reflink can be made here")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(128 * MIB)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
    version = ks.connect(tmp_path / "store").push(NAME, plant(TREE))

    def copied(*_: Any) -> None:
        raise AssertionError("copied")

    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        monkeypatch.setenv("KS_CACHE", str(disk / "cache"))
        monkeypatch.setattr(link, "_copy", copied)
        out = version.download(disk / "out", keep=True)
        assert read_tree(out) == TREE
        (out / "3").write_bytes(b"mine")
        assert read_tree(version.download(disk / "second")) == TREE
        cache = Cache.open()
        assert cache is not None
        assert cache.verify() == []
