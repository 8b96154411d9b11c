"""Copy what lies below a prefix from one bucket to another, and make sure of each object."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError
from klarity_storage.server.buckets.measure import Amount
from klarity_storage.versions.engine_errors import told_as_ours

PART: Final = 16 * 1024 * 1024
"""Bytes of a larger object that are held at once, and that one request carries."""

AT_ONCE: Final = 4

_MD5 = re.compile(r"[0-9a-f]{32}")

GoOn = Callable[[], bool]


class Mark(NamedTuple):
    """By what an object is known without reading it."""

    size: int
    etag: str


@dataclass(slots=True)
class Copier:
    """Copies a space; it remembers what it has made sure of, where ETags cannot say so.

    Two objects of the same bytes have the same ETag when each was one upload. One that went up in
    parts has another, so it was read back, and is only copied again by another process.
    """

    source: ObjectStore
    target: ObjectStore
    sure: dict[str, tuple[Mark, Mark]] = field(default_factory=dict)

    def differ(self, space: str) -> Iterator[tuple[list[str], list[str]]]:
        """The keys that the target lacks or has otherwise, and those that it has beyond, by part
        of the space: a part's objects are all that is held in memory.
        """
        for prefix, deep in _parts(self.source, self.target, space):
            wanted = _marks(self.source, prefix, deep=deep)
            there = _marks(self.target, prefix, deep=deep)
            lacking = [
                key for key, mark in wanted.items() if not self._same(key, mark, there.get(key))
            ]
            yield lacking, [key for key in there if key not in wanted]

    def copy(self, keys: list[str], go_on: GoOn) -> Amount:
        """Copy objects, and say how much was; those that are gone meanwhile are left out.

        Raises:
            IntegrityError: what was copied is not what was read.
            UnavailableError: an engine does not answer.
        """
        with ThreadPoolExecutor(AT_ONCE, "ks-move") as pool:
            sizes = list(pool.map(lambda key: self._copy(key) if go_on() else None, keys))
        done = [size for size in sizes if size is not None]
        return Amount(sum(done), len(done))

    def delete(self, keys: list[str]) -> None:
        """Delete from the target what the source has no more."""
        with told_as_ours("what was copied before"):
            self.target.delete(keys)

    def _same(self, key: str, wanted: Mark, there: Mark | None) -> bool:
        if there is None:
            return False
        return (wanted == there and bool(_MD5.fullmatch(wanted.etag))) or (
            self.sure.get(key) == (wanted, there)
        )

    def _copy(self, key: str) -> int | None:
        digest, expected = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

        def read(chunks: Iterator[Any]) -> Iterator[bytes]:
            for chunk in chunks:
                data = bytes(chunk)
                digest.update(data)
                expected.update(data)
                yield data

        with told_as_ours(f"the copy of {key}"):
            try:
                found = self.source.get(key)
            except FileNotFoundError:
                return None
            size, etag = found.meta["size"], _bare(found.meta["e_tag"])
            chunks = read(iter(found.stream(min_chunk_size=PART)))
            if size <= PART:
                data = b"".join(chunks)
                self.target.put(key, data, attributes=found.attributes, use_multipart=False)
            else:
                with ThreadPoolExecutor(1, "ks-move-read") as pool:
                    parts = _read_by(pool, chunks)
                    self.target.put(key, parts, attributes=found.attributes, chunk_size=PART)
            there = self.target.head(key)
        mark = Mark(there["size"], _bare(there["e_tag"]))
        if mark.size != size or (_MD5.fullmatch(etag) and etag != expected.hexdigest()):
            raise _damaged(key)
        if mark.etag != expected.hexdigest():
            self._read_back(key, digest.hexdigest())
        if mark.etag != etag or not _MD5.fullmatch(etag):
            self.sure[key] = (Mark(size, etag), mark)
        return size

    def _read_back(self, key: str, sha256: str) -> None:
        digest = hashlib.sha256()
        with told_as_ours(f"the copy of {key}"):
            for chunk in self.target.get(key).stream(min_chunk_size=PART):
                digest.update(chunk)
        if digest.hexdigest() != sha256:
            raise _damaged(key)


def clear(store: ObjectStore, space: str, go_on: GoOn) -> bool:
    """Delete all of a space in a bucket; False when it was stopped before the end."""
    with told_as_ours(f"what {space} has left"):
        for page in store.list(f"{space}/"):
            if not go_on():
                return False
            try:
                store.delete([meta["path"] for meta in page])
            except FileNotFoundError:  # a directory says so: the next listing tells what is left
                continue
    return True


def is_empty(store: ObjectStore, space: str) -> bool:
    """Whether a bucket has nothing of a space."""
    with told_as_ours(f"what lies in {space}"):
        return not any(page for page in store.list(f"{space}/", chunk_size=1))


def _parts(source: ObjectStore, target: ObjectStore, space: str) -> Iterator[tuple[str, bool]]:
    """The prefixes of a space's names, and those above for what lies beside them."""
    yield f"{space}/", False
    for kind in _folders(source, target, f"{space}/"):
        yield kind, False
        for name in _folders(source, target, kind):
            yield name, True


def _folders(source: ObjectStore, target: ObjectStore, prefix: str) -> list[str]:
    found: set[str] = set()
    for store in (source, target):
        with told_as_ours(f"what lies in {prefix}"):
            found.update(store.list_with_delimiter(prefix)["common_prefixes"])
    return sorted(f"{folder.rstrip('/')}/" for folder in found)


def _marks(store: ObjectStore, prefix: str, *, deep: bool) -> dict[str, Mark]:
    with told_as_ours(f"what lies in {prefix}"):
        pages = store.list(prefix) if deep else [store.list_with_delimiter(prefix)["objects"]]
        return {
            meta["path"]: Mark(meta["size"], _bare(meta["e_tag"]))
            for page in pages
            for meta in page
        }


def _read_by(pool: ThreadPoolExecutor, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, read on another thread: obstore takes them on one that must not wait."""
    while (data := pool.submit(next, chunks, None).result()) is not None:
        yield data


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')


def _damaged(key: str) -> IntegrityError:
    return IntegrityError(
        f"The copy of {key} is not what was read.", hint="It is copied again; the source stays."
    )
