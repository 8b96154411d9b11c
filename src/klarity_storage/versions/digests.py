"""The digests of the files of a local tree."""

from __future__ import annotations

from typing import Final

from klarity_storage.versions.hashing import digest_file
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.media_types import media_type
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.scan import SourceFile
from klarity_storage.versions.workers import run_all

WORKERS: Final = 16

Hashed = tuple[SourceFile, FileInfo]


def hash_all(sources: list[SourceFile], progress: OnProgress | None) -> list[Hashed]:
    """Each file with its digest; its extents are not known yet."""
    meter = Meter("hashing", sum(file.size for file in sources), len(sources), progress)

    def hash_one(source: SourceFile) -> Hashed:
        digest = digest_file(source.file)
        meter.advance(digest.size, files=1)
        kind = media_type(source.path)
        return source, FileInfo(source.path, digest.size, digest.sha256, kind, ())

    return run_all(hash_one, sources, workers=WORKERS)
