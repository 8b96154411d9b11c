"""Whole versions on the local disk, by their hash."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from klarity_storage.cache.evict import make_room
from klarity_storage.cache.files import Cache
from klarity_storage.cache.lease import use
from klarity_storage.layout import check_hash


def cached_tree(cache: Cache, version: str, fetch: Callable[[Path], object]) -> Path:
    """The folder that holds a version's files, fetched when it is not there yet.

    Its files are read-only. It appears in one step when it is whole, so two processes may fetch the
    same version at once, and one that is killed leaves no half of it. While this process lives, no
    other takes it away.

    Args:
        cache: where.
        version: the version hash.
        fetch: writes the version into an empty folder, verified.
    """
    final = cache.folder / "trees" / check_hash(version)
    if use(final):
        if cache.writable:
            cache.index.touch_tree(version)
        return final
    cache.make_folder(cache.folder / "trees")
    partial = cache.partial()
    try:
        fetch(partial)
        cache.index.put_tree(version, _close(partial))
        _publish(cache, partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    use(final)
    make_room(cache)
    return final


def _close(tree: Path) -> int:
    """Make every file read-only, and count the bytes that are not the cache's own by a hard link.

    A reflink counts too: nothing says which blocks it shares.
    """
    size = 0
    for folder, _, files in os.walk(tree):
        for file in files:
            path = os.path.join(folder, file)  # noqa: PTH118 - paths are texts here
            found = os.stat(path)  # noqa: PTH116
            if found.st_mode & 0o222:
                os.chmod(path, 0o444)  # noqa: PTH101
            if found.st_nlink == 1:
                size += found.st_size
    return size


def _publish(cache: Cache, partial: Path, final: Path) -> None:
    try:
        partial.chmod(cache.folder_mode)  # mkdtemp makes it 0700, and a group may share the cache
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise  # otherwise another process has put the same content there first
