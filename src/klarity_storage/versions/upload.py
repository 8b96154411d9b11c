"""Upload files that storage does not have, each made sure to be what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import digest_bytes, source_changed
from klarity_storage.versions.manifest import Extent
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.stored import Placed, content_of
from klarity_storage.versions.workers import run_all

WORKERS: Final = 16
_WHOLE = 8 * 1024 * 1024
_PART = 8 * 1024 * 1024
_PARTS_AT_ONCE = 3


def upload_files(
    store: ObjectStore,
    name: Name,
    version: str,
    files: list[Hashed],
    progress: OnProgress | None,
) -> Placed:
    """Upload files into a version's folder, and say where their content lies now.

    Raises:
        SourceChangedError: a file is not any more what was hashed.
    """
    meter = Meter("uploading", sum(file.size for _, file in files), len(files), progress)
    run_all(lambda item: _upload_file(store, name, version, item, meter), files, workers=WORKERS)
    return {
        content_of(file): (Extent(f"{version}/{file.path}", 0, file.size),) for _, file in files
    }


def _upload_file(store: ObjectStore, name: Name, version: str, item: Hashed, meter: Meter) -> None:
    """Upload a file, making sure that what goes up is what was hashed."""
    source, file = item
    key = name.object_key(f"{version}/{file.path}")
    with told_as_ours(f"the file {file.path!r}"):
        if file.size <= _WHOLE:
            data = source.file.read_bytes()
            if digest_bytes(data).sha256 != file.sha256:
                raise source_changed(source.file)
            store.put(key, data, use_multipart=False)
            meter.advance(file.size)
        else:
            parts = _verified_parts(source.file, file.sha256, meter)
            store.put(key, parts, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
    meter.advance(0, files=1)


def _verified_parts(file: Path, sha256: str, meter: Meter) -> Iterator[bytes]:
    """A file's bytes in parts; the last one is withheld, and the upload fails, on a change."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        held = b""
        while part := stream.read(_PART):
            digest.update(part)
            if held:
                yield held
            held = part
            meter.advance(len(part))
        if digest.hexdigest() != sha256:
            raise source_changed(file)
        yield held
