"""What is found at an address, before any byte of it is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from obstore.store import ObjectStore

from klarity_storage.errors import StorageError
from klarity_storage.protocol.files import FolderPage


@dataclass(frozen=True, slots=True)
class Part:
    """A range of bytes of an object in the bucket."""

    key: str
    offset: int
    length: int
    etag: str | None = None
    """The object's own, where another state of the object must not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file that the caller may read."""

    store: ObjectStore
    """The bucket that it lies in."""
    path: str
    size: int
    """In bytes."""
    etag: str
    """The entity tag, a strong one, with its quotes."""
    media_type: str
    lasting: bool
    """Whether this address names these bytes for ever."""
    sha256: str | None
    """The digest that whole reads are held to, in hexadecimal."""
    parts: Callable[[int, int], Iterator[Part]]
    """Where the bytes from one offset to another lie."""
    damaged: Callable[[], StorageError]
    """What to say when they are not what they were."""
    settle: Callable[[Part], Awaitable[str]] | None = None
    """Another ETag with which a part of it is still right, or a failure."""
    thumbnail: Callable[[int], str] | None = None
    """The key of a small picture of it, by its width; of files of versions."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The address that names the same thing by the whole hash of its version."""

    address: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What stands in a folder."""

    page: FolderPage


Found = Content | Moved | Listed
