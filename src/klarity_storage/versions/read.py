"""Read the files of a version, each verified before a byte is handed over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, NotFoundError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import FileInfo

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
        raise IntegrityError(
            f"The file {file.path!r} of {name} is damaged in storage.",
            hint="Push its content again, or read another version.",
        )
    if held:
        yield held


def open_file(store: ObjectStore, name: Name, file: FileInfo) -> BinaryIO:
    """A whole file, verified, to read and seek in; larger ones lie in a temporary file."""
    spool = SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="ks-")  # noqa: SIM115 - the caller closes it
    try:
        for chunk in read_chunks(store, name, file):
            spool.write(chunk)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return cast("BinaryIO", spool)


def _extents(store: ObjectStore, name: Name, file: FileInfo) -> Iterator[bytes]:
    what = f"the file {file.path!r} of {name}"
    for extent in file.extents:
        if not extent.length:
            continue  # an engine refuses a range of no bytes
        end = extent.offset + extent.length
        try:
            with told_as_ours(what):
                answer = store.get(
                    name.object_key(extent.object), options={"range": (extent.offset, end)}
                )
                for chunk in answer.stream(min_chunk_size=CHUNK):
                    yield bytes(chunk)
        except NotFoundError as error:
            raise IntegrityError(
                f"The object {extent.object!r} of {name} is missing: {file.path!r} cannot be read."
            ) from error
