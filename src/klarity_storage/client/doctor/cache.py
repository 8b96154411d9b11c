"""What lies on this disk: may it be written, is there room, and who else may change it?"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from klarity_storage.cache.folder import cache_folder, cache_limit
from klarity_storage.client.doctor.check import Check, attempt, failed, passed, skipped

LEAST_FREE: Final = 256 << 20
"""Bytes below which a disk is as good as full."""

_SAMPLE: Final = 200


def check_cache() -> Iterator[Check]:
    """Try the cache of this machine."""
    folder = cache_folder()
    yield attempt("cache", lambda: _check_writable(folder))
    yield attempt("cache room", lambda: check_room("cache room", folder, cache_limit(folder)))
    yield attempt("cache modes", lambda: _check_modes(folder))


def check_room(name: str, folder: Path, wanted: int | None = None) -> Check:
    """Whether the disk of a folder, which may not be there yet, has room."""
    disk = shutil.disk_usage(_nearest(folder))
    told = f"{_size(disk.free)} free"
    if wanted is not None:
        told += f"; the cache may hold {_size(wanted)}"
    if disk.free < LEAST_FREE:
        return failed(name, told, "Free some space; ks cache prune --to 1GiB makes some.")
    return passed(name, told)


def _check_writable(folder: Path) -> Check:
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return failed(
            "cache",
            f"{place} cannot be written: {error.strerror}",
            "Set KS_CACHE to a folder of yours.",
        )
    return passed("cache", f"{folder}{'' if place == folder else ', made when it is needed'}")


def _check_modes(folder: Path) -> Check:
    name = "cache modes"
    if not folder.is_dir():
        return skipped(name, "there is no cache yet")
    if folder.stat().st_mode & stat.S_IWOTH:
        return failed(name, f"everybody may write to {folder}", f"chmod o-w {folder}")
    files = (entry for entry in _files(folder / "objects"))
    changeable = [file for file in islice(files, _SAMPLE) if _is_writable(file)]
    if changeable:
        return failed(
            name,
            f"{len(changeable)} files that should be read-only may be written, such as "
            f"{changeable[0]}",
            "ks cache verify, which removes what was spoiled; then chmod -R a-w that folder.",
        )
    return passed(name, "its files are read-only")


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)


def _is_writable(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & 0o222)
    except FileNotFoundError:
        return False  # another process removed it


def _nearest(folder: Path) -> Path:
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
