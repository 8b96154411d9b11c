"""The content-defined chunks of large files, and the lists of them that lie beside a manifest.

A chunk ends where its content says so, so that an insertion moves boundaries only around itself.
``_ks/chunks-<sha256 of the file>.parquet`` lists the chunks of one file, in order: what a later
push needs to know of an earlier file that it does not have. Readers do not need it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.errors import NotFoundError
from klarity_storage.layout import Name
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import source_changed
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.progress import Meter

AVERAGE: Final = 128 * 1024
"""Bytes; a chunk has a quarter of it at least and four times as many at most."""

Chunk = tuple[bytes, int]
"""The BLAKE3 digest of a chunk, and its length in bytes."""

_SCHEMA = pa.schema(
    [
        pa.field("blake3", pa.binary(32), nullable=False),
        pa.field("length", pa.int32(), nullable=False),
    ]
)
_HOW = b"cut"
_BLOCK = 4 * 1024 * 1024
_AHEAD = 3


class Stopped(Exception):  # noqa: N818 - no error: nobody wants the result any more
    """The cutting was stopped."""


def cut_file(source: Path, file: FileInfo, meter: Meter, stop: Event | None = None) -> list[Chunk]:
    """Cut a file into chunks, in one reading and in bounded memory.

    Raises:
        SourceChangedError: it is not any more what was hashed.
        Stopped: ``stop`` was set.
    """
    from blake3 import blake3  # noqa: PLC0415 - only large files need it
    from pyfastcdc import FastCDC  # noqa: PLC0415 - only large files need it

    with (
        told_as_ours(f"the file {file.path!r}"),
        source.open("rb", buffering=0) as stream,
        ThreadPoolExecutor(1, "ks-sha256") as pool,
    ):
        hashed = _Hashed(stream, pool, meter, stop)
        cuts = FastCDC(AVERAGE, normalized_chunking=1, seed=0).cut_stream(hashed)
        chunks = [(blake3(cut.data).digest(), cut.length) for cut in cuts]
        if hashed.hexdigest() != file.sha256:
            raise source_changed(source)
    return chunks


class _Hashed:
    """A stream whose SHA-256 another thread computes while it is read."""

    def __init__(
        self, stream: BinaryIO, pool: ThreadPoolExecutor, meter: Meter, stop: Event | None
    ) -> None:
        self._stream = stream
        self._pool = pool
        self._meter = meter
        self._stop = stop
        self._digest = hashlib.sha256()
        self._block = memoryview(b"")
        self._ahead: deque[Future[None]] = deque()

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
        block = self._stream.read(_BLOCK)
        self._ahead.append(self._pool.submit(self._digest.update, block))
        if len(self._ahead) > _AHEAD:
            self._ahead.popleft().result()
        self._meter.advance(len(block))
        self._block = memoryview(block)


def write_chunks(
    store: ObjectStore, name: Name, version: str, file: FileInfo, chunks: list[Chunk]
) -> None:
    """Lay the list of a file's chunks into the folder of the version that brings it."""
    digests = pa.array([digest for digest, _ in chunks], pa.binary(32))
    lengths = pa.array([length for _, length in chunks], pa.int32())
    table = pa.table([digests, lengths], schema=_SCHEMA.with_metadata({_HOW: _how()}))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    with told_as_ours(f"the chunks of {file.path!r}"):
        store.put(name.chunks_key(version, file.sha256), sink.getvalue().to_pybytes())


def load_chunks(
    store: ObjectStore, name: Name, folders: Iterable[str], file: FileInfo
) -> list[Chunk] | None:
    """The chunks of an earlier file, from the first of these versions' folders that tells them.

    None when none does, or what it says cannot be used: then the file is uploaded whole.
    """
    for folder in folders:
        try:
            with told_as_ours(f"the chunks of {file.path!r}"):
                data = bytes(store.get(name.chunks_key(folder, file.sha256)).bytes())
        except NotFoundError:
            continue
        return _decode(data, file)
    return None


def _decode(data: bytes, file: FileInfo) -> list[Chunk] | None:
    try:
        table = pq.read_table(
            pa.BufferReader(data), use_threads=False, page_checksum_verification=True
        )
        if table.schema.metadata[_HOW] != _how() or not table.schema.equals(_SCHEMA):
            return None
        digests, lengths = table["blake3"].to_pylist(), table["length"].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    fits = sum(lengths) == file.size and all(length > 0 for length in lengths)
    return list(zip(digests, lengths, strict=True)) if fits else None


def _how() -> bytes:
    """How chunks are cut: lists that were cut otherwise have no chunk in common."""
    return f"fastcdc-2020 average={AVERAGE} normalized=1 seed=0".encode()
