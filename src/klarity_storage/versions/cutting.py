"""Cut large files into content-defined chunks in the one reading that hashes them.

A chunk ends where its content says so, so that an insertion moves boundaries only around itself.
The chunks of a file also tell, at the speed of BLAKE3, whether what is read of it later is still
what its SHA-256 was computed of.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Final, overload

from klarity_storage.versions.hashing import read_steadily, source_changed
from klarity_storage.versions.scan import SourceFile
from klarity_storage.versions.workers import Stopped

LARGE: Final = 8 * 1024 * 1024
"""Bytes of a file that is worth cutting."""

AVERAGE: Final = 128 * 1024
"""Bytes; a chunk has a quarter of it at least and four times as many at most."""

Chunk = tuple[bytes, int]
"""The BLAKE3 digest of a chunk, and its length in bytes."""

_DIGEST = 32
_MOST = 2_500_000
_BLOCK = 4 * 1024 * 1024
_AHEAD = 3


class Chunks(Sequence[Chunk]):
    """The chunks of one file, in order, in 36 bytes each."""

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        self.digests = bytearray()
        """All of them, one behind the other."""
        self.lengths = array("I")
        for digest, length in chunks:
            self.append(digest, length)

    def append(self, digest: bytes, length: int) -> None:
        self.digests += digest
        self.lengths.append(length)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, at: int) -> Chunk: ...
    @overload
    def __getitem__(self, at: slice) -> list[Chunk]: ...
    def __getitem__(self, at: int | slice) -> Chunk | list[Chunk]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        length = self.lengths[at]  # refuses what is out of range
        at %= len(self)
        return bytes(self.digests[at * _DIGEST : (at + 1) * _DIGEST]), length

    def verified(self, parts: Iterator[bytes], file: str | os.PathLike[str]) -> Iterator[bytes]:
        """The parts of the file that was cut, the last of them only when all are what they were.

        Raises:
            SourceChangedError: it is not any more what was cut.
        """
        check = _Check(self)
        held = b""
        for part in parts:
            if not check.fits(part):
                raise source_changed(file)
            if held:
                yield held
            held = part
        if not check.ended:
            raise source_changed(file)
        yield held


class Cuts:
    """The chunks of the large files of one push: kept since they were hashed, or cut when asked.

    Those of some 300 GB are kept, in 90 MB of memory.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Chunks] = {}
        self._room = _MOST

    def keep(self, path: str, chunks: Chunks) -> None:
        if len(chunks) <= self._room:
            self._room -= len(chunks)
            self._kept[path] = chunks

    def of(self, source: SourceFile, sha256: str) -> Chunks:
        """The chunks of a file of that digest.

        Raises:
            SourceChangedError: the file has another now.
        """
        if (kept := self._kept.get(source.path)) is not None:
            return kept
        _, now, chunks = digest_and_cut(source.location)
        if now != sha256:
            raise source_changed(source.location)
        return chunks


class _Check:
    """Compares bytes as they come with the chunks that they were cut into."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        from blake3 import blake3  # noqa: PLC0415 - only large files need it

        self._new = blake3
        self._chunks = iter(chunks)
        self._chunk = next(self._chunks, None)
        self._digest = blake3()
        self._seen = 0

    def fits(self, data: bytes) -> bool:
        """Whether the next bytes go on as those that were cut."""
        view = memoryview(data)
        while view:
            if self._chunk is None:
                return False
            digest, length = self._chunk
            part, view = view[: length - self._seen], view[length - self._seen :]
            self._digest.update(part)
            self._seen += len(part)
            if self._seen == length:
                if self._digest.digest() != digest:
                    return False
                self._chunk, self._digest, self._seen = next(self._chunks, None), self._new(), 0
        return True

    @property
    def ended(self) -> bool:
        return self._chunk is None


def how() -> bytes:
    """How chunks are cut: files that were cut otherwise have no chunk in common."""
    return f"fastcdc-2020 average={AVERAGE} normalized=1 seed=0".encode()


def digest_and_cut(
    file: str | os.PathLike[str],
    *,
    advance: Callable[[int], None] = lambda _: None,
    stop: Event | None = None,
) -> tuple[os.stat_result, str, Chunks]:
    """A file's status before it was read, its SHA-256 and its chunks, in bounded memory.

    Args:
        file: the file.
        advance: told of bytes as they are read.
        stop: set when nobody wants the result any more.

    Raises:
        SourceChangedError: it was written to meanwhile.
        ForbiddenError: it cannot be read.
        Stopped: ``stop`` was set.
    """

    def cut(descriptor: int, size: int) -> tuple[int, tuple[str, Chunks]]:
        return _cut(descriptor, size, advance, stop)

    status, (sha256, chunks) = read_steadily(file, cut)
    return status, sha256, chunks


def cut(pieces: Iterable[bytes | memoryview]) -> Chunks:
    """The chunks of bytes that come in pieces."""
    from blake3 import blake3  # noqa: PLC0415 - only large files need it
    from pyfastcdc import FastCDC  # noqa: PLC0415 - only large files need it

    found = FastCDC(AVERAGE, normalized_chunking=1, seed=0).cut_stream(_Pieces(pieces))
    return Chunks((blake3(chunk.data).digest(), chunk.length) for chunk in found)


class _Pieces:
    """A stream of pieces."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        while not self._piece:
            following = next(self._pieces, None)
            if following is None:
                return 0
            self._piece = memoryview(following)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


def _cut(
    descriptor: int, size: int, advance: Callable[[int], None], stop: Event | None
) -> tuple[int, tuple[str, Chunks]]:
    from blake3 import blake3  # noqa: PLC0415 - only large files need it
    from pyfastcdc import FastCDC  # noqa: PLC0415 - only large files need it

    chunks = Chunks()
    with ThreadPoolExecutor(1, "ks-sha256") as pool:
        stream = _Hashed(descriptor, size, pool, advance, stop)
        for cut in FastCDC(AVERAGE, normalized_chunking=1, seed=0).cut_stream(stream):
            chunks.append(blake3(cut.data).digest(), cut.length)
        return stream.size, (stream.hexdigest(), chunks)


class _Hashed:
    """A stream whose SHA-256 another thread computes while it is read."""

    def __init__(
        self,
        descriptor: int,
        expected: int,
        pool: ThreadPoolExecutor,
        advance: Callable[[int], None],
        stop: Event | None,
    ) -> None:
        self._descriptor = descriptor
        self._expected = expected
        self._pool = pool
        self._advance = advance
        self._stop = stop
        self._digest = hashlib.sha256()
        self._block = memoryview(b"")
        self._ahead: deque[Future[None]] = deque()
        self.size = 0

    def readinto(self, buffer: memoryview) -> int:
        if not self._block:
            self._next_block()
        size = min(len(buffer), len(self._block))
        buffer[:size] = self._block[:size]
        self._block = self._block[size:]
        return size

    def hexdigest(self) -> str:
        while self._ahead:
            self._ahead.popleft().result()
        return self._digest.hexdigest()

    def _next_block(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped
        # one more than there should be, to see a file that grows, and not to follow it for ever
        block = os.read(self._descriptor, min(_BLOCK, self._expected + 1 - self.size))
        self._ahead.append(self._pool.submit(self._digest.update, block))
        if len(self._ahead) > _AHEAD:
            self._ahead.popleft().result()
        self.size += len(block)
        self._advance(len(block))
        self._block = memoryview(block)
