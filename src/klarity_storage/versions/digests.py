"""The digests of the files of a local tree."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Final

from klarity_storage.versions import cutting
from klarity_storage.versions.cutting import Cuts, digest_and_cut
from klarity_storage.versions.hashing import digest_and_status
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.media_types import media_type
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.scan import SourceFile
from klarity_storage.versions.stat_index import StatIndex
from klarity_storage.versions.workers import run_all

WORKERS: Final = 4
"""Small files are bound by Python, where one thread is as good as many; more help a disk that has
to seek, and large files, which are hashed beside Python."""

_BATCH_FILES: Final = 256
_BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one task hashes: a task a file would cost more than the hash of a small file."""

Hashed = tuple[SourceFile, FileInfo]


def hash_all(
    sources: Sequence[SourceFile],
    progress: OnProgress | None,
    index: StatIndex | None = None,
    cuts: Cuts | None = None,
) -> list[Hashed]:
    """Each file with its digest; its extents are not known yet.

    Args:
        sources: the files, sorted by path.
        progress: called while they are read.
        index: knows files that did not change since it saw them; they are not read.
        cuts: keeps the chunks of the large files that are read.
    """
    meter = Meter("hashing", sum(file.size for file in sources), len(sources), progress)
    begun_ns = time.time_ns()
    known = index.find(sources) if index else {}
    meter.advance(sum(file.size for file in sources if file.path in known), files=len(known))
    reader = _Reader(meter, cuts)
    unknown = [source for source in sources if source.path not in known]
    batches = run_all(reader.hash, _batches(unknown), workers=WORKERS, stop=reader.stop)
    read = iter([item for batch in batches for item in batch])
    hashed = [
        (source, _file(source, known[source.path])) if source.path in known else next(read)
        for source in sources
    ]
    if index and unknown:
        index.record(((source, file.sha256) for source, file in hashed), begun_ns=begun_ns)
    return hashed


class _Reader:
    """Reads files once each, for all that a push wants to know of their bytes."""

    def __init__(self, meter: Meter, cuts: Cuts | None) -> None:
        self._meter = meter
        self._cuts = cuts
        self.stop = Event()

    def hash(self, batch: list[SourceFile]) -> list[Hashed]:
        hashed = []
        size = 0
        for source in batch:
            if self._cuts is not None and source.size >= cutting.LARGE:
                hashed.append(self._cut(source, self._cuts))
            else:
                status, sha256 = digest_and_status(source.location)
                hashed.append(_hashed(source, status, sha256))
                size += source.size
        self._meter.advance(size, files=len(hashed))
        return hashed

    def _cut(self, source: SourceFile, cuts: Cuts) -> Hashed:
        status, sha256, chunks = digest_and_cut(
            source.location, advance=self._meter.advance, stop=self.stop
        )
        cuts.keep(source.path, chunks)
        return _hashed(source, status, sha256)


def _hashed(source: SourceFile, status: os.stat_result, sha256: str) -> Hashed:
    now = SourceFile.of(source.path, source.location, status)
    return now, _file(now, sha256)


def _file(source: SourceFile, sha256: str) -> FileInfo:
    return FileInfo(source.path, source.size, sha256, media_type(source.path), ())


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
