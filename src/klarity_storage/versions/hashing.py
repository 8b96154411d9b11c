"""The hash of a version, and the digests of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from klarity_storage.errors import SourceChangedError
from klarity_storage.versions.engine_errors import told_as_ours

Result = TypeVar("Result")

_AT_ONCE: Final = 1024 * 1024
"""A file up to this is read in one call: five calls of the system a file, and no more."""


class Hashed(Protocol):
    """What a version hash takes of a file."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


def version_hash(files: Iterable[Hashed]) -> str:
    """The SHA-256 of one line ``<sha256> <size> <path>`` per file, sorted by the path's bytes.

    ``sha256sum`` can recompute it: see DESIGN §3, "Versions".

    >>> from types import SimpleNamespace as File
    >>> empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    >>> version_hash([File(path="a", size=0, sha256=empty)])[:12]
    '5c0ff7e6a0ca'
    """
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):  # UTF-8 sorts as its code points do
        digest.update(f"{file.sha256} {file.size} {file.path}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Digest:
    """A file's bytes, by number and by SHA-256."""

    size: int
    sha256: str


def digest_bytes(data: bytes | memoryview) -> Digest:
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def digest_file(file: str | os.PathLike[str]) -> Digest:
    """Read a file once, in bounded memory.

    Raises:
        SourceChangedError: it was written to meanwhile.
        ForbiddenError: it cannot be read.
    """
    status, sha256 = digest_and_status(file)
    return Digest(status.st_size, sha256)


def digest_and_status(file: str | os.PathLike[str]) -> tuple[os.stat_result, str]:
    """A file's status before it was read, and the SHA-256 of what was read."""
    return read_steadily(file, _read_digest)


def read_steadily(
    file: str | os.PathLike[str], read: Callable[[int, int], tuple[int, Result]]
) -> tuple[os.stat_result, Result]:
    """A file's status before it was read, and what reading made of it.

    Args:
        file: the file.
        read: gets a descriptor and the size to expect; returns how many bytes it read, and what
            it made of them.

    Raises:
        SourceChangedError: it was written to meanwhile.
        ForbiddenError: it cannot be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor)
            size, result = read(descriptor, before.st_size)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        with told_as_ours(f"the file {os.fspath(file)!r}"):
            raise
    if not (before.st_size == size == after.st_size and before.st_mtime_ns == after.st_mtime_ns):
        raise source_changed(file)
    return before, result


def _read_digest(descriptor: int, size: int) -> tuple[int, str]:
    if size <= _AT_ONCE:
        data = os.read(descriptor, size + 1)  # one more, to see a file that grew
        if len(data) == size:
            return size, hashlib.sha256(data).hexdigest()
        os.lseek(descriptor, 0, os.SEEK_SET)  # it changes, or its file system reads in pieces
    with open(descriptor, "rb", buffering=0, closefd=False) as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), sha256


def read_verified(file: str | os.PathLike[str], size: int, sha256: str) -> bytes:
    """All bytes of a file that is still what was hashed.

    Raises:
        SourceChangedError: it is another.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, size + 1)
            while len(data) <= size and (more := os.read(descriptor, size + 1 - len(data))):
                data += more
        finally:
            os.close(descriptor)
    except OSError:
        with told_as_ours(f"the file {os.fspath(file)!r}"):
            raise
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise source_changed(file)
    return data


def source_changed(file: str | os.PathLike[str]) -> SourceChangedError:
    return SourceChangedError(
        f"The file {os.fspath(file)!r} changed while it was pushed.",
        hint="Push again when nothing writes to it; nothing was committed.",
    )
