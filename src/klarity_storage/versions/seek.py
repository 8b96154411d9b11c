"""A large file to seek in: blocks are fetched as they are read, and few of them are kept."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from klarity_storage.errors import IntegrityError
from klarity_storage.versions.manifest import FileInfo

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK: Final = 1024 * 1024
"""Bytes that are fetched at least."""

MAX_AHEAD: Final = 8
"""Blocks of one request while a file is read from front to back."""

KEPT: Final = 24
"""Blocks that are kept: 24 MiB a file."""


class SeekableFile(io.RawIOBase):
    """The bytes of a file, fetched when they are read.

    The digest is of the whole file. So it is checked when all blocks were read in order, which is
    before the last of them is handed over; bytes that are read here and there are not verified.

    Args:
        file: whose bytes.
        fetch: the bytes from one offset to another.
        damaged: what to raise when the digest does not fit.
    """

    def __init__(
        self, file: FileInfo, fetch: Callable[[int, int], bytes], damaged: IntegrityError
    ) -> None:
        self._file = file
        self._fetch = fetch
        self._damaged = damaged
        self._at = 0
        self._blocks: OrderedDict[int, memoryview] = OrderedDict()
        self._ahead = 1
        self._expected = 0
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._wrong = False

    @classmethod
    def buffered(
        cls, file: FileInfo, fetch: Callable[[int, int], bytes], damaged: IntegrityError
    ) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(cls(file, fetch, damaged), 128 * 1024))

    @property
    def name(self) -> str:
        return self._file.path

    @property
    def mode(self) -> str:
        return "rb"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}
        if whence not in base:
            raise ValueError(f"Seek knows no whence {whence}.")
        if base[whence] + offset < 0:
            raise ValueError("A file has no bytes before its beginning.")
        self._at = base[whence] + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if self._at >= self._file.size or not target:
            return 0
        number, skip = divmod(self._at, BLOCK)
        data = self._block(number)[skip : skip + len(target)]
        target[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._blocks.clear()
        super().close()

    def _block(self, number: int) -> memoryview:
        if number not in self._blocks:
            self._load(number)
        self._blocks.move_to_end(number)
        if number == self._hashed:
            self._check(number)
        if self._wrong:
            raise self._damaged
        return self._blocks[number]

    def _load(self, first: int) -> None:
        """Fetch a block; more with each request while they are asked for in order."""
        self._ahead = min(2 * self._ahead, MAX_AHEAD) if first == self._expected else 1
        start = first * BLOCK
        end = min(start + self._ahead * BLOCK, self._file.size)
        data = memoryview(self._fetch(start, end))
        for at in range(0, len(data), BLOCK):
            self._blocks[first + at // BLOCK] = data[at : at + BLOCK]
        self._expected = first + self._ahead
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)

    def _check(self, number: int) -> None:
        self._digest.update(self._blocks[number])
        self._hashed += 1
        if self._hashed * BLOCK >= self._file.size:
            self._wrong = self._digest.hexdigest() != self._file.sha256
