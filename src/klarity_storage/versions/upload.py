"""Upload files that storage does not have, each made sure to be what was hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.versions import parts
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.folder import PART, Folder
from klarity_storage.versions.hashing import read_verified, source_changed
from klarity_storage.versions.manifest import Extent
from klarity_storage.versions.packs import Pack, plan_packs
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.stored import Placed, content_of
from klarity_storage.versions.workers import run_all

# Packs, middling and large files go one kind after the other, so that memory is bounded by the
# kind that takes most: some 100 MiB each.
_PACKS_AT_ONCE: Final = 3
_WHOLE: Final = 8 * 1024 * 1024
"""Bytes of a file that travels in one request; a larger one travels in parts."""
_WHOLE_AT_ONCE: Final = 12
_LARGE_AT_ONCE: Final = 3
_ATTEMPTS: Final = 3


def upload_files(
    store: ObjectStore,
    name: Name,
    version: str,
    files: list[Hashed],
    progress: OnProgress | None,
) -> Placed:
    """Upload files into a version's folder, and say where their content lies now.

    Many small files travel as packs, very large ones in parts. What an earlier push of the same
    version left there is not sent again.

    Raises:
        SourceChangedError: a file is not any more what was hashed.
    """
    meter = Meter("uploading", sum(file.size for _, file in files), len(files), progress)
    if not files:
        return {}
    folder = Folder(store, name, version)
    packs, plain = plan_packs(files)
    whole = [item for item in plain if item[1].size <= _WHOLE]
    large = [item for item in plain if _WHOLE < item[1].size <= parts.LARGEST]
    largest = [item for item in plain if item[1].size > parts.LARGEST]
    placed: Placed = {}
    for packed in run_all(
        lambda pack: _upload_pack(folder, pack, meter), packs, workers=_PACKS_AT_ONCE
    ):
        placed |= packed
    run_all(lambda item: _upload_whole(folder, item, meter), whole, workers=_WHOLE_AT_ONCE)
    run_all(lambda item: _upload_large(folder, item, meter), large, workers=_LARGE_AT_ONCE)
    for _, file in (*whole, *large):
        placed[content_of(file)] = (Extent(folder.object(file.path), 0, file.size),)
    for item in largest:  # one behind the other: the parts of each go up at once
        placed[content_of(item[1])] = parts.upload_in_parts(folder, item, meter)
    return placed


def _upload_pack(folder: Folder, pack: Pack, meter: Meter) -> Placed:
    first, last = pack.files[0][1].path, pack.files[-1][1].path
    data = pack.read()
    path = parts.pack_path(data)
    with told_as_ours(f"the pack of the files from {first!r} to {last!r}"):
        folder.put(path, data)
    meter.advance(pack.size, files=len(pack.files))
    return pack.placed(folder.object(path))


def _upload_whole(folder: Folder, item: Hashed, meter: Meter) -> None:
    source, file = item
    data = read_verified(source.location, file.size, file.sha256)
    with told_as_ours(f"the file {file.path!r}"):
        folder.put(file.path, data)
    meter.advance(file.size, files=1)


def _upload_large(folder: Folder, item: Hashed, meter: Meter) -> None:
    _, file = item
    with told_as_ours(f"the file {file.path!r}"):
        if folder.holds_parts(file.path, file.size, file.sha256, _verified_parts(item)):
            meter.advance(file.size)
        else:
            _put_large(folder, item, meter)
    meter.advance(0, files=1)


def _put_large(folder: Folder, item: Hashed, meter: Meter) -> None:
    """Upload a file in one multipart upload; it begins again when a collector aborted that."""
    sent = 0

    def told() -> Iterator[bytes]:
        nonlocal sent
        for part in _verified_parts(item):
            yield part
            sent += len(part)
            meter.advance(len(part))

    for attempt in range(_ATTEMPTS):
        try:
            folder.put_parts(item[1].path, told())
        except FileNotFoundError:
            meter.advance(-sent)
            sent = 0
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _verified_parts(item: Hashed) -> Iterator[bytes]:
    """A file's bytes in parts; the last one is withheld, and the upload fails, on a change."""
    source, file = item
    digest = hashlib.sha256()
    with source.file.open("rb", buffering=0) as stream:
        held = b""
        while part := stream.read(PART):
            digest.update(part)
            if held:
                yield held
            held = part
        if digest.hexdigest() != file.sha256:
            raise source_changed(source.location)
        yield held
