"""An object, whole, as a file on this disk."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import obstore
from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError

_PIECE = 16 << 20
"""Bytes of one request: what a broken connection costs."""

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


def fetch(store: ObjectStore, path: str, target: Path, size: int | None = None) -> None:
    """Write an object into a file that does not exist yet, and hold it against what is known.

    Args:
        store: where it is.
        path: its key.
        target: the file.
        size: how many bytes it must have.

    Raises:
        IntegrityError: its length is another, or its ETag, where that is an MD5.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    first = obstore.get(store, path, options={"range": (0, _PIECE)})
    whole, e_tag = first.meta["size"], first.meta["e_tag"]
    if size is not None and whole != size:
        raise IntegrityError(
            f"The object {path} has {whole} bytes, but the table's log says {size}.",
            hint="It was damaged, or replaced; ask whoever runs the storage.",
        )
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("xb") as stream:
        piece = bytes(first.bytes())
        while piece:
            digest.update(piece)
            stream.write(piece)
            start = stream.tell()
            end = min(start + _PIECE, whole)
            piece = (
                bytes(obstore.get_range(store, path, start=start, end=end)) if start < end else b""
            )
        stream.flush()
        os.fsync(stream.fileno())
    told = _MD5.fullmatch(e_tag or "")
    if target.stat().st_size != whole or (told and digest.hexdigest() != told[1]):
        target.unlink()
        raise IntegrityError(
            f"The bytes of {path} that came are not those that were stored.", hint="Try again."
        )
