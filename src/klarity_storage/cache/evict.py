"""Keep the cache within its bounds: what was of no use for longest goes first."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Final

from klarity_storage.cache.files import Cache
from klarity_storage.cache.folder import cache_limit
from klarity_storage.cache.lease import unused

LOW: Final = 0.9
"""How full the cache is when room was made, so that not every file makes room for the next."""

ABANDONED: Final = 24 * 3600
"""Seconds without a change after which nobody works in a partial folder any more."""

_BATCH = 500


def make_room(cache: Cache, limit: int | None = None) -> int:
    """Throw away what was of no use for longest until the cache is within its bounds.

    First files that nothing links to, then trees that no process uses, then what those alone
    linked to. A tree that is in use stays whole: its hard links keep the bytes.

    Returns:
        How many bytes the index counts less.
    """
    _sweep(cache)
    limit = cache_limit(cache.folder) if limit is None else limit
    before = total = cache.index.totals()[2]
    if total <= limit:
        return 0
    goal = int(limit * LOW)
    total = _drop_files(cache, total, goal, linked=False)
    if total > goal:
        total = _drop_trees(cache, total, goal)
    total = _drop_files(cache, total, goal, linked=True)
    return before - total


def _drop_files(cache: Cache, total: int, goal: int, *, linked: bool) -> int:
    going: list[str] = []
    for file in cache.index.oldest() if total > goal else ():
        if total <= goal:
            break
        if linked or not _is_linked(cache.place(file.sha256)):
            going.append(file.sha256)
            total -= file.size
    for start in range(0, len(going), _BATCH):
        cache.remove(going[start : start + _BATCH])
    return total


def _drop_trees(cache: Cache, total: int, goal: int) -> int:
    for version, size in cache.index.trees():
        if total <= goal:
            break
        tree = cache.folder / "trees" / version
        with unused(tree) as free:
            if free:
                cache.index.drop_tree(version)
                _take_away(cache, tree)
                total -= size
    return _drop_files(cache, total, goal, linked=False)


def _sweep(cache: Cache) -> None:
    """Remove what killed processes left half-done a day ago, and nobody went on with."""
    for folder in cache.folder.glob("partial-*"):
        with contextlib.suppress(OSError), unused(folder) as free:
            changed = max(file.stat().st_mtime for file in (folder, *folder.iterdir()))
            if free and time.time() - changed > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


def _take_away(cache: Cache, tree: Path) -> None:
    away = cache.partial()
    if tree.is_dir():
        tree.rename(away / tree.name)  # in one step: nobody finds half a tree
    shutil.rmtree(away, ignore_errors=True)


def _is_linked(path: str) -> bool:
    try:
        return os.stat(path).st_nlink > 1  # noqa: PTH116 - paths are texts here
    except OSError:
        return False
