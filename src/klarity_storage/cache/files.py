"""Files by their SHA-256, shared by processes: ``objects/ab/<sha256>``."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar, overload

from klarity_storage.cache.folder import cache_folder, cache_limit
from klarity_storage.cache.index import Held, Index
from klarity_storage.cache.link import Linker

WORKERS: Final = 2

_SLICE = 200
"""Files that a worker handles before it asks for more."""

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Hashed(Protocol):
    """What the cache knows a file by."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


File = TypeVar("File", bound=Hashed)


class Cache:
    """The files that were fetched once. Several processes may use it at once.

    A file is put there by renaming it, read-only, when it is whole and verified. The index knows
    its size and time: a file that does not look like that any more was written to, is thrown away
    and is not handed over.

    Args:
        folder: where it lies; its mode is that of everything in it, so ``chmod 2775`` before the
            first use shares it with a group.
        writable: whether files may be added; without it, what is there is used.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self.writable = writable
        mode = stat.S_IMODE(folder.stat().st_mode)
        self.folder_mode = mode
        self.file_mode = 0o444 & mode
        self.index = Index(folder / "index.sqlite3", writable=writable, mode=0o666 & mode)
        self._objects = f"{folder}/objects"
        self._made: set[str] = set()

    @overload
    @classmethod
    def open(cls, *, make: Literal[True]) -> Cache: ...
    @overload
    @classmethod
    def open(cls, *, make: bool = False) -> Cache | None: ...
    @classmethod
    def open(cls, *, make: bool = False) -> Cache | None:
        """The cache of this system; None when there is none and it is not to be made."""
        folder = cache_folder()
        if make:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True)
        elif not (folder / "index.sqlite3").is_file():
            return None
        return cls(folder, writable=_is_writable(folder))

    def place(self, sha256: str) -> str:
        """The path that a file of this digest has in the cache; its folder is made."""
        parent = f"{self.folder}/objects/{sha256[:2]}"
        if parent not in self._made:
            for folder in (f"{self.folder}/objects", parent):
                self.make_folder(Path(folder))
            self._made.add(parent)
        return f"{parent}/{sha256}"

    def make_folder(self, folder: Path) -> Path:
        """A folder of the cache, with the mode of the cache."""
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(self.folder_mode)
        return folder

    def partial(self) -> Path:
        """A new folder on the disk of the cache, for what is not whole yet."""
        return Path(tempfile.mkdtemp(prefix="partial-", dir=self.folder))

    def takes(self, size: int) -> bool:
        """Whether so many bytes may be added: what fills the cache alone is better not kept."""
        return self.writable and size <= cache_limit(self.folder)

    def begin(self, files: Iterable[Hashed]) -> None:
        """Note files that will be put in their places: a killed process leaves none unknown."""
        self.index.put({f.sha256: Held(f.sha256, f.size, None) for f in files}.values())

    def finish(self, files: Iterable[Hashed]) -> None:
        """Note that files stand in their places, and make room for them."""
        done = []
        for file in {file.sha256: file for file in files}.values():
            place = self.place(file.sha256)
            with contextlib.suppress(FileNotFoundError):
                os.chmod(place, self.file_mode)  # noqa: PTH101 - paths are texts here
                found = os.stat(place)  # noqa: PTH116
                done.append(Held(file.sha256, found.st_size, found.st_mtime_ns))
        self.index.put(done)

    def give(
        self,
        wanted: Sequence[tuple[File, str]],
        partial: str,
        linker: Linker,
        given: Callable[[File], None] = lambda _: None,
    ) -> list[tuple[File, str]]:
        """Let what the cache holds appear in its places.

        Args:
            wanted: files, and the path that each gets.
            partial: a folder on the same disk as the paths.
            linker: how.
            given: told of each file that is there.

        Returns:
            What the cache does not hold.
        """
        held = self.index.find({file.sha256 for file, _ in wanted})
        if not held:
            return list(wanted)
        numbers = count()
        damaged: set[str] = set()

        def appear(item: tuple[File, str]) -> bool:
            file, target = item
            known = held.get(file.sha256)
            if known is None:
                return False
            if not self._is_whole(known):
                damaged.add(file.sha256)
                return False
            try:
                linker.link(self._path(known), target, f"{partial}/c{next(numbers)}", known.size)
            except (FileNotFoundError, FileExistsError):
                return False  # another process has just made room, or written the same file
            given(file)
            return True

        left = _refused(appear, wanted)
        if self.writable:
            self.remove(damaged)
            self.index.touch(held.keys() - damaged)
        return left

    def _path(self, known: Held) -> str:
        return f"{self._objects}/{known.sha256[:2]}/{known.sha256}"

    def _is_whole(self, known: Held) -> bool:
        try:
            found = os.stat(self._path(known), follow_symlinks=False)  # noqa: PTH116
        except OSError:
            return False
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size == known.size
            and found.st_mtime_ns == known.mtime_ns
        )

    def remove(self, digests: Collection[str]) -> None:
        """Throw files away: those that hard links keep stay where those are."""
        self.index.drop(digests)
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.folder}/objects/{digest[:2]}/{digest}")  # noqa: PTH108

    def verify(self) -> list[str]:
        """Read every file, and throw away what is not its digest.

        Returns:
            The digests that were damaged.
        """
        damaged = []
        for known in self.index.oldest():
            if known.mtime_ns is None:
                continue
            if not self._is_whole(known) or _digest(self.place(known.sha256)) != known.sha256:
                damaged.append(known.sha256)
        if self.writable:
            self.remove(damaged)
        return damaged


def clear(folder: Path) -> None:
    """Remove everything, the index too, even one that cannot be read."""
    away = Path(tempfile.mkdtemp(prefix="partial-", dir=folder))
    for known in (
        "objects",
        "trees",
        "tables",
        "redirects",
        "index.sqlite3",
        "index.sqlite3-wal",
        "index.sqlite3-shm",
    ):
        with contextlib.suppress(FileNotFoundError):
            (folder / known).rename(away / known)
    shutil.rmtree(away)


def _refused(
    step: Callable[[tuple[File, str]], bool], items: Sequence[tuple[File, str]]
) -> list[tuple[File, str]]:
    """The items that a step did not do, in slices: a task for each would cost more than it does."""

    def refused(at: int) -> list[tuple[File, str]]:
        return [item for item in items[at : at + _SLICE] if not step(item)]

    with ThreadPoolExecutor(WORKERS, "ks-cache") as pool:
        return list(chain(*pool.map(refused, range(0, len(items), _SLICE))))


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        if error.errno in _READ_ONLY:
            return False
        raise
