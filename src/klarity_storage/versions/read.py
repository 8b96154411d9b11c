"""Read the files of a version: whole and verified, or a range of one."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import BinaryIO, Final, Protocol

from msgspec.structs import replace
from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, NotFoundError, UnavailableError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import Extent, FileInfo
from klarity_storage.versions.ranges import pieces, within
from klarity_storage.versions.seek import SeekableFile

VERIFIED_SIZE: Final = 32 * 1024 * 1024
"""Files up to this size, in bytes, are fetched whole and verified when they are opened."""

AHEAD: Final = 2
"""Pieces that are under way while one is written."""


class Begun(Protocol):
    """The beginning of a file: its size in bytes, and the SHA-256 of it so far."""

    @property
    def size(self) -> int: ...
    @property
    def digest(self) -> hashlib._Hash: ...


def read_chunks(
    store: ObjectStore,
    name: Name,
    file: FileInfo,
    pool: Executor | None = None,
    begun: Begun | None = None,
) -> Iterator[memoryview]:
    """The bytes of a file in order; the last chunk comes only after the digest fits.

    Args:
        store: the bucket.
        name: whose file.
        file: which.
        pool: fetches the next pieces meanwhile.
        begun: the beginning of the file that is there already; only what is behind it comes.

    Raises:
        IntegrityError: an object is missing, short, or holds other bytes.
    """
    digest = begun.digest.copy() if begun else hashlib.sha256()
    rest = tuple(within(file.extents, begun.size, file.size)) if begun else file.extents
    wanted = replace(file, extents=rest)
    held: memoryview | None = None
    for chunk in _ahead(store, name, wanted, pool) if pool else _in_turn(store, name, wanted):
        digest.update(chunk)
        if held is not None:
            yield held
        held = chunk
    if digest.hexdigest() != file.sha256:
        raise damaged(name, file)
    if held is not None:
        yield held


def open_file(store: ObjectStore, name: Name, file: FileInfo) -> BinaryIO:
    """A file to read and seek in: a small one whole and verified, a large one as it is read."""
    if file.size > VERIFIED_SIZE:
        return SeekableFile.buffered(
            file, lambda start, end: read_range(store, name, file, start, end), damaged(name, file)
        )
    return io.BytesIO(b"".join(read_chunks(store, name, file)))


def read_range(store: ObjectStore, name: Name, file: FileInfo, start: int, end: int) -> bytes:
    """Some bytes of a file, not verified: a digest is of the whole."""
    parts = within(file.extents, start, end)
    return b"".join(fetch_range(store, name, file, part) for part in pieces(parts))


def fetch_range(store: ObjectStore, name: Name, file: FileInfo, extent: Extent) -> memoryview:
    """The bytes of an extent, all of them.

    Args:
        store: the bucket.
        name: whose object.
        extent: which bytes of which object.
        file: what to name when they are not there.

    Raises:
        IntegrityError: the object is missing or ends before the extent.
    """
    try:
        with told_as_ours(f"the file {file.path!r} of {name}"):
            data = store.get_range(
                name.object_key(extent.object), start=extent.offset, length=extent.length
            )
    except NotFoundError as error:
        raise IntegrityError(
            f"The object {extent.object!r} of {name} is missing: {file.path!r} cannot be read."
        ) from error
    except UnavailableError as error:
        # an engine refuses a range that begins behind the end, each in words of its own
        if _object_size(store, name, extent) < extent.offset + extent.length:
            raise damaged(name, file) from error
        raise
    if len(data) != extent.length:
        raise damaged(name, file)
    return memoryview(data)


def damaged(name: Name, file: FileInfo) -> IntegrityError:
    return IntegrityError(
        f"The file {file.path!r} of {name} is damaged in storage.",
        hint="Push its content again, or read another version.",
    )


def _in_turn(store: ObjectStore, name: Name, file: FileInfo) -> Iterator[memoryview]:
    for piece in pieces(file.extents):
        yield fetch_range(store, name, file, piece)


def _ahead(store: ObjectStore, name: Name, file: FileInfo, pool: Executor) -> Iterator[memoryview]:
    """The pieces in order, with some of the next under way: memory stays bounded."""
    parts = pieces(file.extents)
    under_way: deque[Future[memoryview]] = deque()

    def begin(number: int) -> None:
        for part in islice(parts, number):
            under_way.append(pool.submit(fetch_range, store, name, file, part))

    try:
        begin(AHEAD)
        while under_way:
            chunk = under_way.popleft().result()
            begin(1)
            yield chunk
    finally:
        for future in under_way:
            future.cancel()


def _object_size(store: ObjectStore, name: Name, extent: Extent) -> int:
    with told_as_ours(f"the object {extent.object!r} of {name}"):
        return store.head(name.object_key(extent.object))["size"]
