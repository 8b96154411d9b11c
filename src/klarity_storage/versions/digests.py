"""The digests of the files of a local tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from klarity_storage.versions.hashing import digest_file
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.media_types import media_type
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.scan import SourceFile
from klarity_storage.versions.workers import run_all

WORKERS: Final = 4
"""Small files are bound by Python, where one thread is as good as many; more help a disk that has
to seek, and large files, which are hashed beside Python."""

_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one task hashes: a task a file would cost more than the hash of a small file."""

Hashed = tuple[SourceFile, FileInfo]


def hash_all(sources: Sequence[SourceFile], progress: OnProgress | None) -> list[Hashed]:
    """Each file with its digest; its extents are not known yet."""
    meter = Meter("hashing", sum(file.size for file in sources), len(sources), progress)

    def hash_batch(batch: list[SourceFile]) -> list[Hashed]:
        hashed = [(source, _hash_one(source)) for source in batch]
        meter.advance(sum(file.size for _, file in hashed), files=len(hashed))
        return hashed

    return [
        item for batch in run_all(hash_batch, _batches(sources), workers=WORKERS) for item in batch
    ]


def _hash_one(source: SourceFile) -> FileInfo:
    digest = digest_file(source.location)
    return FileInfo(source.path, digest.size, digest.sha256, media_type(source.path), ())


def _batches(sources: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    batch: list[SourceFile] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += source.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
