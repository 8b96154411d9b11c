"""The hash of a version, and the digests of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from klarity_storage.errors import SourceChangedError
from klarity_storage.versions.engine_errors import told_as_ours


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
    for file in sorted(files, key=lambda file: file.path.encode()):
        digest.update(f"{file.sha256} {file.size} {file.path}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Digest:
    """A file's bytes, by number and by SHA-256."""

    size: int
    sha256: str


def digest_bytes(data: bytes | memoryview) -> Digest:
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def digest_file(file: Path) -> Digest:
    """Read a file once, in bounded memory.

    Raises:
        SourceChangedError: it was written to meanwhile.
        ForbiddenError: it cannot be read.
    """
    with told_as_ours(f"the file {str(file)!r}"), file.open("rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        after = os.fstat(stream.fileno())
        size = stream.tell()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or (
        size != after.st_size
    ):
        raise source_changed(file)
    return Digest(size, sha256)


def source_changed(file: Path) -> SourceChangedError:
    return SourceChangedError(
        f"The file {str(file)!r} changed while it was pushed.",
        hint="Push again when nothing writes to it; nothing was committed.",
    )
