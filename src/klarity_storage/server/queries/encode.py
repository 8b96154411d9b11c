"""Batches of rows as Arrow's IPC stream, piece by piece."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from klarity_storage.tables.views import plain_type

PIECE: Final = 1 << 20
"""Bytes that are passed on at once at most."""


class Encoder:
    """An IPC stream with zstd, whose bytes are taken as they come.

    Args:
        schema: of the batches; string and binary views, which not every reader knows, become plain.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = pa.schema([field.with_type(plain_type(field.type)) for field in schema])
        self._sink = _Sink()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._writer = pa.ipc.new_stream(self._sink, self.schema, options=options)

    def add(self, batch: pa.RecordBatch) -> None:
        # a plan may promise other names and nulls inside of lists and structs than its batches have
        same = batch.schema.equals(self.schema)
        self._writer.write_batch(batch if same else batch.cast(self.schema))

    def finish(self) -> None:
        """Write the end-of-stream marker."""
        self._writer.close()

    def take(self) -> list[memoryview]:
        """The bytes since the last time, in pieces."""
        whole = memoryview(self._sink.taken())
        return [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]


class _Sink:
    """A file that only grows and is emptied by its reader."""

    closed = False

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += memoryview(data)
        return len(data)

    def flush(self) -> None:
        """Everything is where it belongs."""

    def taken(self) -> bytearray:
        taken, self._bytes = self._bytes, bytearray()
        return taken
