"""Upload files that storage does not have, each made sure to be what was hashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.versions import cutting, parts
from klarity_storage.versions.chunk_lists import write_chunks
from klarity_storage.versions.cutting import Chunks, Cuts
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.folder import PART, Folder
from klarity_storage.versions.hashing import read_verified
from klarity_storage.versions.manifest import Extent
from klarity_storage.versions.packs import Pack, plan_packs
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.stored import Placed, content_of
from klarity_storage.versions.workers import run_all

# Packs, middling and large files go one kind after the other, so that memory is bounded by the
# kind that takes most: some 100 MiB each.
_PACKS_AT_ONCE: Final = 3
_WHOLE_AT_ONCE: Final = 12
_LARGE_AT_ONCE: Final = 3
_ATTEMPTS: Final = 3

Send = Callable[[Folder, Hashed, Chunks, Meter], tuple[Extent, ...]]
"""Uploads one large file, and says where it lies."""


def upload_files(
    store: ObjectStore,
    name: Name,
    version: str,
    files: list[Hashed],
    cuts: Cuts,
    progress: OnProgress | None,
) -> Placed:
    """Upload files into a version's folder, and say where their content lies now.

    Many small files travel as packs, very large ones in parts; the chunks of large ones are listed
    beside them. What an earlier push of the same version left there is not sent again.

    Raises:
        SourceChangedError: a file is not any more what was hashed.
    """
    meter = Meter("uploading", sum(file.size for _, file in files), len(files), progress)
    if not files:
        return {}
    folder = Folder(store, name, version)
    packs, plain = plan_packs(files)
    placed: Placed = {}
    for packed in run_all(
        lambda pack: _upload_pack(folder, pack, meter), packs, workers=_PACKS_AT_ONCE
    ):
        placed |= packed

    def upload_cut(send: Send, item: Hashed) -> None:
        source, file = item
        chunks = cuts.of(source, file.sha256)
        placed[content_of(file)] = send(folder, item, chunks, meter)
        write_chunks(store, name, version, file, chunks)

    whole = [item for item in plain if item[1].size < cutting.LARGE]
    large = [item for item in plain if cutting.LARGE <= item[1].size <= parts.LARGEST]
    run_all(lambda item: _upload_whole(folder, item, meter), whole, workers=_WHOLE_AT_ONCE)
    for _, file in whole:
        placed[content_of(file)] = (Extent(folder.object(file.path), 0, file.size),)
    run_all(lambda item: upload_cut(_upload_large, item), large, workers=_LARGE_AT_ONCE)
    for item in plain:
        if item[1].size > parts.LARGEST:  # one behind the other: the parts of each go up at once
            upload_cut(parts.upload_in_parts, item)
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


def _upload_large(folder: Folder, item: Hashed, chunks: Chunks, meter: Meter) -> tuple[Extent, ...]:
    _, file = item
    with told_as_ours(f"the file {file.path!r}"):
        if folder.holds_parts(file.path, file.size, file.sha256, _parts(item, chunks)):
            meter.advance(file.size)
        else:
            _put_large(folder, item, chunks, meter)
    meter.advance(0, files=1)
    return (Extent(folder.object(file.path), 0, file.size),)


def _put_large(folder: Folder, item: Hashed, chunks: Chunks, meter: Meter) -> None:
    """Upload a file in one multipart upload; it begins again when a collector aborted that."""
    sent = 0

    def told() -> Iterator[bytes]:
        nonlocal sent
        for part in _parts(item, chunks):
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


def _parts(item: Hashed, chunks: Chunks) -> Iterator[bytes]:
    """A file's bytes in parts; the last one is withheld, and the upload fails, on a change."""
    source, _ = item
    with source.file.open("rb", buffering=0) as stream:
        yield from chunks.verified(iter(lambda: stream.read(PART), b""), source.location)
