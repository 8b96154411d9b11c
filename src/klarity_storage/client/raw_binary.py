"""One binary of a row."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from obstore.store import LocalStore, ObjectStore

from klarity_storage.layout import Name, raw_binary_key
from klarity_storage.tables import binaries
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.read import VERIFIED_SIZE
from klarity_storage.versions.seek import SeekableFile


class RawBinary:
    """A file beside a row of a table, as it was when it was looked up."""

    def __init__(
        self, store: ObjectStore, table: Name, row_index: int | str, name: str, size: int
    ) -> None:
        self._store = store
        self._table = table
        self.row_index = row_index
        self.name = name
        self.size = size
        """In bytes."""

    def __repr__(self) -> str:
        return f"RawBinary({self.key!r}, size={self.size})"

    @property
    def key(self) -> str:
        """The key of the object in the bucket."""
        return raw_binary_key(self._table, self.row_index, self.name)

    @property
    def media_type(self) -> str:
        """By the name's ending."""
        return binaries.media_type_of(self.name)

    @cached_property
    def sha256(self) -> str | None:
        """What was put beside the object; None in local mode, and where another tool put it."""
        return binaries.digest_of(self._store, self._table, self.row_index, self.name)

    def read(self) -> bytes:
        """All of it, verified.

        Raises:
            IntegrityError: the object is not what was put there.
        """
        return b"".join(self._blocks())

    def download(self, to: str | os.PathLike[str]) -> Path:
        """Write it to a path, or by its name into a folder, and return where it is.

        It is verified before it appears there.

        Raises:
            IntegrityError: the object is not what was put there; nothing is written.
        """
        target = Path(to)
        if target.is_dir() or str(to).endswith("/"):
            target /= self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(prefix=".ks-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for block in self._blocks():
                    file.write(block)
            Path(part).chmod(0o644)
            Path(part).replace(target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        return target

    def open(self) -> BinaryIO:
        """To read and seek in: up to 32 MiB are fetched and verified at once, more as it is read.

        Of a larger one only reading from beginning to end verifies, before the last block.
        """
        if isinstance(self._store, LocalStore):
            return (Path(str(self._store.prefix)) / self.key).open("rb")
        if self.size <= VERIFIED_SIZE or self.sha256 is None:
            return io.BytesIO(self.read())
        return SeekableFile.buffered(
            FileInfo(self.name, self.size, self.sha256, self.media_type, ()),
            lambda start, end: binaries.fetch_range(
                self._store, self._table, self.row_index, self.name, start, end
            ),
            binaries.damaged(self._table, self.row_index, self.name),
        )

    def _blocks(self) -> Iterator[bytes]:
        return binaries.fetch(self._store, self._table, self.row_index, self.name)
