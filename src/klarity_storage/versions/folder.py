"""A version's folder while it is uploaded: what stands in it already is not sent again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours

PART: Final = 8 * 1024 * 1024
"""Bytes of one part of a large object; the ETag of the whole depends on it."""

_PARTS_AT_ONCE: Final = 3
_MD5 = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+")


class Folder:
    """The folder of a version that is not committed yet.

    An upload that was stopped left whole objects or none, so what is there is the beginning of this
    one. Still, no object counts by its size alone: it has the ETag that these bytes have, or, where
    ETags say nothing of bytes, it is read and hashed.

    Args:
        store: the bucket, with keys that list the name and write this folder.
        name: whose version it is.
        version: the version hash.
    """

    def __init__(self, store: ObjectStore, name: Name, version: str) -> None:
        self._store = store
        self._name = name
        self._version = version
        self._there: dict[str, tuple[int, str]] = {}
        with told_as_ours(f"the objects of {name}@{version[:12]}"):
            for page in store.list(name.version_prefix(version)):
                for meta in page:
                    etag = (meta["e_tag"] or "").strip('"')
                    self._there[meta["path"]] = (meta["size"], etag)

    def object(self, path: str) -> str:
        """The object of that path, as extents name it."""
        return f"{self._version}/{path}"

    def put(self, path: str, data: bytes | bytearray) -> None:
        """Let an object hold these bytes."""
        key = self._key(path)
        size, etag = self._there.get(key, (-1, ""))
        if size == len(data):
            if _MD5.fullmatch(etag):
                stands = etag == hashlib.md5(data, usedforsecurity=False).hexdigest()
            else:
                stands = self._sha256(key) == hashlib.sha256(data).hexdigest()
            if stands:
                return
        self._store.put(key, data, use_multipart=False)

    def holds_parts(self, path: str, size: int, sha256: str, parts: Iterator[bytes]) -> bool:
        """Whether a large file stands already; its parts are read only to compare an ETag."""
        key = self._key(path)
        there, etag = self._there.get(key, (-1, ""))
        if there != size:
            return False
        if _MD5_OF_PARTS.fullmatch(etag):
            return etag == _md5_of_parts(parts)
        return self._sha256(key) == sha256

    def put_parts(self, path: str, parts: Iterator[bytes]) -> None:
        """Let an object hold the bytes of a large file, each part of `PART` bytes but the last."""
        self._store.put(self._key(path), parts, chunk_size=PART, max_concurrency=_PARTS_AT_ONCE)

    def _key(self, path: str) -> str:
        return self._name.object_key(self.object(path))

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._store.get(key).stream(min_chunk_size=PART):
            digest.update(chunk)
        return digest.hexdigest()


def _md5_of_parts(parts: Iterator[bytes]) -> str:
    """The ETag of a multipart upload, as every S3 computes it."""
    digests = [hashlib.md5(part, usedforsecurity=False).digest() for part in parts]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
