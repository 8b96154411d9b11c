"""Whole versions on the local disk, by their hash."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs

from klarity_storage.layout import check_hash

FOLDER_VARIABLE: Final = "KS_CACHE"


def cache_folder() -> Path:
    """Where the cache lies: ``KS_CACHE``, or the user's cache folder of this system."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("klarity-storage"))


def cached_tree(version: str, fetch: Callable[[Path], object]) -> Path:
    """The folder that holds a version's files, fetched when it is not there yet.

    Its files are read-only. It appears in one step when it is whole, so two processes may fetch the
    same version at once, and one that is killed leaves no half of it.

    Args:
        version: the version hash.
        fetch: writes the version into an empty folder, verified.
    """
    trees = cache_folder() / "trees"
    final = trees / check_hash(version)
    if final.is_dir():
        return final
    trees.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=trees))
    try:
        fetch(partial)
        for file in partial.rglob("*"):
            if file.is_file():
                file.chmod(0o444)
        _publish(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def _publish(partial: Path, final: Path) -> None:
    try:
        partial.chmod(0o755)  # mkdtemp makes it 0700, and a group may share the cache
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise  # otherwise another process has put the same content there first
