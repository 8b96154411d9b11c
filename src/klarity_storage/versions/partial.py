"""What is not whole yet: kept in a folder beside its destination, so that a later pull goes on.

A pull holds a lock on its folder as long as it lives. A folder that nobody holds is what a killed
or failed one left: the next pull takes over what it wants of it. A part is always the beginning of
its file, so its length says which bytes are there, and its name which file it is. Whether they are
right says the digest of the whole: a part that does not fit is thrown away.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".part"
_BLOCK: Final = 1024 * 1024
_NO_LOCKS_PATIENCE: Final = 24 * 3600
"""Seconds without a change after which nobody works in a folder, on a disk that has no locks."""


class Part:
    """The beginning of a file, which grows.

    Args:
        path: where it lies; what is there already is gone on with.
        size: the bytes of the whole file.
    """

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)
        try:
            if os.fstat(self._descriptor).st_size > size:
                os.ftruncate(self._descriptor, 0)
            self.size = self._hash_what_is_there()
        except BaseException:
            self.close()
            raise

    def _hash_what_is_there(self) -> int:
        self.digest = hashlib.sha256()
        size = 0
        while block := os.read(self._descriptor, _BLOCK):
            self.digest.update(block)
            size += len(block)
        return size

    def append(self, data: memoryview) -> None:
        """Write bytes behind those that are there; the digest is the reader's affair."""
        self.size += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def restart(self) -> None:
        """Forget what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size, self.digest = 0, hashlib.sha256()

    def close(self) -> None:
        os.close(self._descriptor)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # noqa: PTH108 - paths are texts here


class Partial:
    """The folder of one pull.

    Args:
        path: where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._numbers = count()
        self._growing: set[str] = set()
        self._lock = threading.Lock()

    def place(self) -> str:
        """A free path in it, for what is written in one go."""
        return f"{self.path}/{next(self._numbers)}"

    @contextmanager
    def part(self, sha256: str, size: int) -> Iterator[tuple[Part, str]]:
        """What is there of a file, and its path; two of one content do not share it."""
        path = f"{self.path}/{sha256}{_SUFFIX}"
        with self._lock:
            if path in self._growing:
                path = self.place()
            self._growing.add(path)
        part = Part(path, size)
        try:
            yield part, path
        finally:
            part.close()
            with self._lock:
                self._growing.discard(path)


@contextmanager
def partial_folder(
    parent: str, prefix: str, wanted: Iterable[str], *, patience: float = 0
) -> Iterator[Partial]:
    """A folder for what is not whole yet, with what others have left of the same files.

    When the block succeeds, nothing stays of it; when it fails, the beginnings of large files do.

    Args:
        parent: where it is made.
        prefix: how the names of such folders begin there.
        wanted: the digests of the files; not read where nobody left anything.
        patience: seconds that leftovers of other files are kept.
    """
    path, lock = _make(parent, prefix)
    try:
        _take_over(path, parent, prefix, wanted, patience)
        yield Partial(path)
    except BaseException:
        _keep_parts(path)
        raise
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _make(parent: str, prefix: str) -> tuple[str, int]:
    """A new folder, locked; another pull may take one for a leftover before it is."""
    while True:
        path = tempfile.mkdtemp(prefix=prefix, dir=parent)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a disk without locks: its age protects it
            fcntl.flock(lock, fcntl.LOCK_SH)
        if _stands(lock, path):
            return path, lock
        os.close(lock)


def _take_over(path: str, parent: str, prefix: str, wanted: Iterable[str], patience: float) -> None:
    digests: set[str] | None = None
    for folder in sorted(Path(parent).glob(f"{prefix}*")):
        if str(folder) == path:
            continue
        with _left(folder) as free:
            if not free:
                continue
            digests = set(wanted) if digests is None else digests
            old = time.time() - last_change(folder) >= patience
            _take_parts(folder, Path(path), digests)
            if old or not any(folder.glob(f"*{_SUFFIX}")):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _left(folder: Path) -> Iterator[bool]:
    """Whether nobody works in a folder of our own, nor begins to before the block ends."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone by now, or another user's
        yield False
        return
    try:
        yield _is_left(lock, folder)
    finally:
        os.close(lock)


def _is_left(lock: int, folder: Path) -> bool:
    status = os.fstat(lock)
    if status.st_uid != os.geteuid():
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - last_change(folder) > _NO_LOCKS_PATIENCE
    return _stands(lock, str(folder))


def _take_parts(folder: Path, own: Path, digests: set[str]) -> None:
    for part in folder.glob(f"*{_SUFFIX}"):
        there = own / part.name
        wanted = part.name.removesuffix(_SUFFIX) in digests
        if not wanted or not stat.S_ISREG(part.lstat().st_mode):
            continue
        if not there.exists() or there.stat().st_size < part.stat().st_size:
            part.replace(there)


def _keep_parts(path: str) -> None:
    """Leave the beginnings of large files behind, or nothing at all."""
    for file in Path(path).iterdir():
        status = file.lstat()
        if file.suffix != _SUFFIX or not stat.S_ISREG(status.st_mode) or not status.st_size:
            with contextlib.suppress(OSError):
                file.unlink()
    with contextlib.suppress(OSError):
        os.rmdir(path)  # noqa: PTH106 - it is, unless something stays


def last_change(folder: Path) -> float:
    """When anything in a folder of parts was last written, in seconds since the epoch."""
    times = [folder.stat().st_mtime]
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime)
    return max(times)


def _stands(lock: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path))  # noqa: PTH116
    except FileNotFoundError:
        return False
