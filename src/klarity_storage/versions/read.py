"""Read the files of a version, each verified before a byte is handed over."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, NotFoundError, UnavailableError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import Extent, FileInfo

CHUNK: Final = 4 * 1024 * 1024
"""Bytes that are held at once while a file streams."""

_IN_MEMORY = 32 * 1024 * 1024


def read_chunks(store: ObjectStore, name: Name, file: FileInfo) -> Iterator[bytes]:
    """The bytes of a file, extent by extent; the last chunk comes only after the digest fits.

    Raises:
        IntegrityError: an object is missing, short, or holds other bytes.
    """
    digest = hashlib.sha256()
    held = b""
    for chunk in _extents(store, name, file):
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != file.sha256:
        raise damaged(name, file)
    if held:
        yield held


def open_file(store: ObjectStore, name: Name, file: FileInfo) -> BinaryIO:
    """A whole file, verified, to read and seek in; a larger one lies in a temporary file."""
    # not a SpooledTemporaryFile: that one warns when a small file is read and forgotten
    whole = cast("BinaryIO", io.BytesIO() if file.size <= _IN_MEMORY else TemporaryFile())  # noqa: SIM115
    try:
        for chunk in read_chunks(store, name, file):
            whole.write(chunk)
    except BaseException:
        whole.close()
        raise
    whole.seek(0)
    return whole


def _extents(store: ObjectStore, name: Name, file: FileInfo) -> Iterator[bytes]:
    for extent in file.extents:
        if not extent.length:
            continue  # an engine refuses a range of no bytes
        try:
            yield from _range(store, name, file, extent)
        except NotFoundError as error:
            raise IntegrityError(
                f"The object {extent.object!r} of {name} is missing: {file.path!r} cannot be read."
            ) from error
        except UnavailableError as error:
            # an engine refuses a range that begins behind the end, each in words of its own
            if _object_size(store, name, extent) < extent.offset + extent.length:
                raise damaged(name, file) from error
            raise


def _range(store: ObjectStore, name: Name, file: FileInfo, extent: Extent) -> Iterator[bytes]:
    span = (extent.offset, extent.offset + extent.length)
    with told_as_ours(f"the file {file.path!r} of {name}"):
        answer = store.get(name.object_key(extent.object), options={"range": span})
        for chunk in answer.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)


def _object_size(store: ObjectStore, name: Name, extent: Extent) -> int:
    with told_as_ours(f"the object {extent.object!r} of {name}"):
        return store.head(name.object_key(extent.object))["size"]


def damaged(name: Name, file: FileInfo) -> IntegrityError:
    return IntegrityError(
        f"The file {file.path!r} of {name} is damaged in storage.",
        hint="Push its content again, or read another version.",
    )
