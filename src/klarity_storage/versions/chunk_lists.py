"""The lists of the chunks of large files that lie beside a manifest.

``_ks/chunks-<sha256 of the file>.parquet`` lists the chunks of one file, in order: what a later
push needs to know of an earlier file that it does not have. Readers do not need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.errors import NotFoundError
from klarity_storage.layout import Name
from klarity_storage.versions.cutting import Chunks, how
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import FileInfo

_SCHEMA = pa.schema(
    [
        pa.field("blake3", pa.binary(32), nullable=False),
        pa.field("length", pa.int32(), nullable=False),
    ]
)
_CUT: Final = b"cut"


def write_chunks(
    store: ObjectStore, name: Name, version: str, file: FileInfo, chunks: Chunks
) -> None:
    """Lay the list of a file's chunks into the folder of the version that brings it."""
    columns = [
        pa.Array.from_buffers(field.type, len(chunks), [None, pa.py_buffer(values)])
        for field, values in zip(_SCHEMA, (chunks.digests, chunks.lengths), strict=True)
    ]
    table = pa.table(columns, schema=_SCHEMA.with_metadata({_CUT: how()}))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    with told_as_ours(f"the chunks of {file.path!r}"):
        store.put(name.chunks_key(version, file.sha256), sink.getvalue().to_pybytes())


def load_chunks(
    store: ObjectStore, name: Name, folders: Iterable[str], file: FileInfo
) -> Chunks | None:
    """The chunks of an earlier file, from the first of these versions' folders that tells them.

    None when none does, or what it says cannot be used: then the file is uploaded whole.
    """
    for folder in folders:
        try:
            return read_chunks(store, name, folder, file)
        except NotFoundError:
            continue
    return None


def read_chunks(store: ObjectStore, name: Name, folder: str, file: FileInfo) -> Chunks | None:
    """The chunks that the list in one folder tells; None where it cannot be used.

    Raises:
        NotFoundError: there is none.
    """
    with told_as_ours(f"the chunks of {file.path!r}"):
        data = bytes(store.get(name.chunks_key(folder, file.sha256)).bytes())
    return _decode(data, file)


def _decode(data: bytes, file: FileInfo) -> Chunks | None:
    try:
        listed = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = listed.read(use_threads=False)
        if table.schema.metadata[_CUT] != how() or not table.schema.equals(_SCHEMA):
            return None
        columns = [table[name].to_pylist() for name in _SCHEMA.names]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    fits = sum(columns[1]) == file.size and all(length > 0 for length in columns[1])
    return Chunks(zip(*columns, strict=True)) if fits else None
