"""Who uses a cached tree: a shared lock on its folder, until the process ends."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held: dict[str, int] = {}
_lock = threading.Lock()


def use(tree: Path) -> bool:
    """Keep a tree from being evicted while this process lives; False when it is not there."""
    with _lock:
        if str(tree) in _held and tree.is_dir():
            return True
        try:
            folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(folder, fcntl.LOCK_SH)
        except OSError:
            os.close(folder)  # this disk knows no locks: only the time of last use protects it
            return tree.is_dir()
        if not _is_same(folder, tree):
            os.close(folder)
            return False
        if (old := _held.pop(str(tree), None)) is not None:
            os.close(old)
        _held[str(tree)] = folder
        return True


@contextmanager
def unused(tree: Path) -> Iterator[bool]:
    """Whether no process uses a tree, and none begins to before the block ends."""
    try:
        folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield True
        return
    try:
        yield _is_free(folder)
    finally:
        os.close(folder)


def _is_free(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_same(folder: int, tree: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), tree.stat())
    except FileNotFoundError:
        return False
