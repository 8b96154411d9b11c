"""Make a file of the cache appear elsewhere: as a reflink, a hard link or a copy."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

from klarity_storage.rename import rename_new

_CLONE: Final = 0x40049409
"""FICLONE of Linux: the copy shares the blocks until one of the two is written to."""

_IMPOSSIBLE: Final = {
    errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM,
    errno.EMLINK, errno.EACCES, errno.EBADF,
}  # fmt: skip

_BLOCK: Final = 1024 * 1024

Way = Callable[[str, str, str, int, int], None]
"""From a source to a target by way of a partial file, with so many bytes and a mode."""


class Linker:
    """The ways to try, the best first; one that the disk cannot do is not tried again.

    Args:
        how: ``auto``, ``reflink``, ``hard`` or ``copy``; what cannot be done ends in a copy.
        shared: whether ``auto`` may hard link, so that the file is the cache's own, read-only.
    """

    def __init__(self, how: str, *, shared: bool) -> None:
        ways: dict[str, list[Way]] = {
            "auto": [_reflink, _hard, _copy] if shared else [_reflink, _copy],
            "reflink": [_reflink, _copy],
            "hard": [_hard, _copy],
            "copy": [_copy],
        }
        self._ways = ways[how]
        self._mode = 0o444 if shared else 0o666

    def link(self, source: str, target: str, partial: str, size: int) -> None:
        """Make ``target``, which does not exist, the same bytes as ``source``, in one step.

        Args:
            source: a file of the cache.
            target: where it appears.
            partial: a free path on the same disk as the target.
            size: the bytes of the source.
        """
        for way in list(self._ways):
            try:
                way(source, target, partial, size, self._mode)
            except OSError as error:
                if way is _copy or error.errno not in _IMPOSSIBLE:
                    raise
                if way in self._ways:
                    self._ways.remove(way)
            else:
                return


def _hard(source: str, target: str, partial: str, size: int, mode: int) -> None:
    del partial, size, mode  # it appears in one step, and is the same file
    os.link(source, target)


def _reflink(source: str, target: str, partial: str, size: int, mode: int) -> None:
    import fcntl  # noqa: PLC0415 - not on every system

    del size

    def clone(here: int, there: int) -> None:
        fcntl.ioctl(there, _CLONE, here)

    _through(clone, source, target, partial, mode)


def _copy(source: str, target: str, partial: str, size: int, mode: int) -> None:
    def copy(here: int, there: int) -> None:
        at = 0
        while at < size and (data := os.read(here, min(size - at, _BLOCK))):
            view = memoryview(data)
            while view:
                view = view[os.write(there, view) :]
            at += len(data)

    _through(copy, source, target, partial, mode)


def _through(
    step: Callable[[int, int], None], source: str, target: str, partial: str, mode: int
) -> None:
    here = os.open(source, os.O_RDONLY)
    try:
        there = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            step(here, there)
            rename_new(partial, target)
        except BaseException:
            os.unlink(partial)  # noqa: PTH108 - paths are texts here
            raise
        finally:
            os.close(there)
    finally:
        os.close(here)
