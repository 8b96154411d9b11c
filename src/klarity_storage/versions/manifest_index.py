"""The index of a large manifest: where its row groups lie, with which paths and digests.

It stands in the footer, and the digest of the footer stands in the log: so one file of a million is
found, and its row verified, by reading the footer and one row group.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from klarity_storage.errors import InvalidManifestError
from klarity_storage.protocol.log import Footer

GROUP: Final = 10_000
"""Files of a row group: some 400 kB, as much as the footer of a million files."""

KEY: Final = b"ks.groups"
_END: Final = b"PAR1"
_LENGTH_BYTES: Final = 4


class Group(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A row group: the bytes of the file from ``offset`` on."""

    first: str
    """Its first path."""
    offset: int
    length: int
    sha256: str


def encode_table(table: pa.Table) -> bytes:
    """A manifest's file; with an index where it has several row groups."""
    sink = io.BytesIO()
    groups: list[Group] = []
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        use_dictionary=["media_type", "role"],
        write_statistics=["path"],  # of other columns they skip nothing, and fill the footer
        write_page_index=True,
    ) as writer:
        for start in range(0, max(1, table.num_rows), GROUP):
            part = table.slice(start, GROUP)
            offset = max(sink.tell(), len(_END))
            writer.write_table(part, row_group_size=GROUP)
            if table.num_rows > GROUP:
                data = sink.getbuffer()[offset:]
                digest = hashlib.sha256(data).hexdigest()
                groups.append(Group(part["path"][0].as_py(), offset, len(data), digest))
                data.release()
        if groups:
            writer.add_key_value_metadata({KEY: msgspec.json.encode(groups)})
    return sink.getvalue()


def footer_of(data: bytes) -> Footer:
    """The end of a Parquet file, which says where everything is."""
    length = int.from_bytes(data[-len(_END) - _LENGTH_BYTES : -len(_END)], "little")
    tail = memoryview(data)[-(length + _LENGTH_BYTES + len(_END)) :]
    return Footer(bytes=len(tail), sha256=hashlib.sha256(tail).hexdigest())


def read_groups(metadata: pq.FileMetaData) -> list[Group] | None:
    """The index in a footer, or None where there is none.

    Raises:
        InvalidManifestError: it cannot be read.
    """
    found = (metadata.metadata or {}).get(KEY)
    if found is None:
        return None
    try:
        groups = msgspec.json.decode(found, type=list[Group])
    except msgspec.MsgspecError as error:
        raise InvalidManifestError(f"its index cannot be read: {error}.") from error
    if len(groups) != metadata.num_row_groups:
        raise InvalidManifestError("its index has another number of row groups.")
    return groups


def check_group(data: bytes, metadata: pq.FileMetaData, number: int, group: Group) -> None:
    """Refuse an index that says something else of a row group than the file.

    Raises:
        InvalidManifestError: another place or digest.
    """
    part = metadata.row_group(number)
    columns = [part.column(i) for i in range(part.num_columns)]
    starts = [
        column.data_page_offset
        if column.dictionary_page_offset is None
        else column.dictionary_page_offset
        for column in columns
    ]
    ends = [
        start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)
    ]
    begin, end = group.offset, group.offset + group.length
    if begin < 0 or min(starts) < begin or max(ends) > end:
        raise InvalidManifestError(f"its index misplaces row group {number}.")
    if hashlib.sha256(memoryview(data)[begin:end]).hexdigest() != group.sha256:
        raise InvalidManifestError(f"its index has another digest of row group {number}.")


def groups_between(firsts: list[str], low: str, high: str) -> range:
    """Which groups may hold paths from ``low`` on and before ``high``."""
    return range(max(0, bisect_right(firsts, low) - 1), bisect_left(firsts, high))


def group_starts(metadata: pq.FileMetaData) -> list[int]:
    """The row that each group begins with, and the number of all rows."""
    groups = range(metadata.num_row_groups)
    return list(accumulate((metadata.row_group(i).num_rows for i in groups), initial=0))


class Window(io.RawIOBase):
    """A part of a file that can be read as if the rest of it were there."""

    def __init__(self, data: memoryview, offset: int) -> None:
        self._data = data
        self._offset = offset
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._offset + len(self._data)
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        begin = self._at - self._offset
        if begin < 0 or size < 0 or begin + size > len(self._data):
            raise OSError("The footer points out of its row group.")
        self._at += size
        return bytes(self._data[begin : begin + size])
