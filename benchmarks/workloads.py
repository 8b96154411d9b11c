"""The data that is pushed and pulled: made from a seed, the same on every machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MIB = 1 << 20


@dataclass(frozen=True)
class Workload:
    """A tree, and how it is edited."""

    name: str
    make: Callable[[Path, float], None]
    edit: Callable[[Path, int], None]


def make_small(folder: Path, scale: float) -> None:
    """W1: 20,000 files in 200 folders, log-normal around 8 KB, 200 MB."""
    rng = np.random.default_rng(1)
    count = int(20_000 * scale)
    sizes = np.clip(rng.lognormal(np.log(7_000), 0.75, count), 100, 900_000).astype(int)
    for number, size in enumerate(sizes):
        file = folder / f"{number % 200:03}" / f"{number:05}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rng.bytes(int(size)))


def edit_small(folder: Path, seed: int) -> None:
    """1 % of the files get other bytes of the same length."""
    rng = np.random.default_rng(seed)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for index in rng.choice(len(files), max(1, len(files) // 100), replace=False):
        files[index].write_bytes(rng.bytes(files[index].stat().st_size))


def make_large(folder: Path, scale: float) -> None:
    """W2: 4 files of 256 MiB, random."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        with (folder / f"{number}.bin").open("wb") as file:
            for _ in range(int(256 * scale)):
                file.write(rng.bytes(MIB))


def edit_large(folder: Path, seed: int) -> None:
    """W3: 1 MiB inserted into the middle of one file."""
    file = folder / f"{seed % 4}.bin"
    data = file.read_bytes()
    middle = len(data) // 2 + seed
    file.write_bytes(data[:middle] + np.random.default_rng(seed).bytes(MIB) + data[middle:])


SMALL = Workload("W1", make_small, edit_small)
LARGE = Workload("W2", make_large, edit_large)


def fresh_copy(source: Path, folder: Path) -> Path:
    """A copy that one contender may edit and index as it likes."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    return folder
