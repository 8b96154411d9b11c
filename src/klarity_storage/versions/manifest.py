"""The manifest of a version: which bytes of which objects make up each file.

One Parquet file with the columns ``path, size, sha256, media_type, extents``, sorted by path, in
row groups that a reader can skip by the path's statistics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.errors import (
    FileMissingError,
    IntegrityError,
    InvalidManifestError,
    NotFoundError,
)
from klarity_storage.layout import Name
from klarity_storage.versions.arrays import list_array, number_array, text_array
from klarity_storage.versions.engine_errors import first_line, told_as_ours
from klarity_storage.versions.hashing import digest_bytes

_EXTENT: Final = [
    pa.field("object", pa.string(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("length", pa.int64(), nullable=False),
]

SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("extents", pa.list_(pa.struct(_EXTENT)), nullable=False),
    ]
)

MAX_MANIFEST_BYTES: Final = 1 << 30
"""1 GiB: some ten million files. More is refused before it is read."""

_ROW_GROUP = 50_000


@dataclass(frozen=True, slots=True)
class Extent:
    """A range of bytes of an object under the same name."""

    object: str
    """Its key, relative to the name's prefix: ``<version hash>/<path>``."""
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of a version."""

    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str
    extents: tuple[Extent, ...]


class Manifest:
    """The files of a version, in Arrow: a million files are a few columns, not objects."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @classmethod
    def of(cls, files: Iterable[FileInfo]) -> Manifest:
        """The manifest that lists these files."""
        rows = sorted(files, key=lambda file: file.path)  # UTF-8 sorts as its code points do
        parts = [part for row in rows for part in row.extents]
        extents = pa.StructArray.from_arrays(
            [
                text_array(part.object for part in parts),
                number_array(part.offset for part in parts),
                number_array(part.length for part in parts),
            ],
            fields=_EXTENT,
        )
        columns = [
            text_array(row.path for row in rows),
            number_array(row.size for row in rows),
            text_array(row.sha256 for row in rows),
            text_array(row.media_type for row in rows),
            list_array(extents, (len(row.extents) for row in rows), SCHEMA.field("extents").type),
        ]
        return cls(pa.Table.from_arrays(columns, schema=SCHEMA))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[FileInfo]:
        for batch in self._table.to_batches(max_chunksize=10_000):
            yield from _files(batch)

    @property
    def table(self) -> pa.Table:
        """The manifest as it is stored."""
        return self._table

    @property
    def total_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(self._table["size"].to_pylist())

    def paths(self) -> Iterator[str]:
        """The paths alone, in order."""
        for chunk in self._table["path"].iterchunks():
            yield from chunk.to_pylist()

    def find(self, path: str) -> FileInfo:
        """One file, or FileMissingError."""
        at = self._table["path"].index(text_array([path])[0]).as_py()
        if at < 0:
            raise FileMissingError(
                f"The version has no file {path!r}.", hint="ks ls REF lists its files."
            )
        return next(iter(Manifest(self._table.slice(at, 1))))

    def version_hash(self) -> str:
        """See `hashing.version_hash`; the same over columns."""
        digest = hashlib.sha256()
        for batch in self._table.to_batches(max_chunksize=_ROW_GROUP):
            columns = (batch[name].to_pylist() for name in ("sha256", "size", "path"))
            lines = (
                f"{sha256} {size} {path}\n" for sha256, size, path in zip(*columns, strict=True)
            )
            digest.update("".join(lines).encode())
        return digest.hexdigest()

    def encode(self) -> tuple[str, bytes]:
        """Its file name, which holds the SHA-256 of its bytes, and its bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            self._table,
            sink,
            row_group_size=_ROW_GROUP,
            compression="zstd",
            write_page_index=True,
            use_dictionary=["media_type"],
        )
        data = sink.getvalue().to_pybytes()
        return f"manifest-{hashlib.sha256(data).hexdigest()}.parquet", data


def decode_manifest(data: bytes, what: str) -> Manifest:
    """Read a manifest and check everything that can be checked without its objects.

    Args:
        data: the bytes of the Parquet file.
        what: which manifest, for the error.

    Raises:
        InvalidManifestError: it is not Parquet, has other columns, is not sorted, holds a path that
            cannot be stored, or extents that do not add up or leave the name.
    """
    try:
        # not by `pq.read_table`, which loads pandas where that is installed; and
        # without Arrow's own threads: a program that ends soon after them may abort (pyarrow 26)
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        if not table.schema.equals(SCHEMA):
            table = table.select(SCHEMA.names).cast(SCHEMA)
        table.validate(full=True)
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise InvalidManifestError(f"{what} is not a manifest: {first_line(error)}.") from error
    from klarity_storage.versions.manifest_check import check_rows  # noqa: PLC0415 - loads Arrow's compute

    try:
        check_rows(table)
    except ValueError as error:
        raise InvalidManifestError(f"{what} does not hold: {error}") from error
    return Manifest(table)


def load_manifest(store: ObjectStore, name: Name, version: str, manifest: str) -> Manifest:
    """Fetch a version's manifest and verify it against the digest in its name.

    Raises:
        IntegrityError: it is missing or its bytes are others.
        InvalidManifestError: it does not hold what it claims.
    """
    key = name.manifest_key(version, manifest)
    what = f"the manifest of {name}@{version[:12]}"
    try:
        with told_as_ours(what):
            answer = store.get(key)
            if answer.meta["size"] > MAX_MANIFEST_BYTES:
                raise InvalidManifestError(f"The manifest {key!r} is larger than 1 GiB.")
            data = bytes(answer.bytes())
    except NotFoundError as error:
        raise IntegrityError(
            f"The manifest of {name}@{version[:12]} is missing.",
            hint="Push the same files again: equal content has the same hash.",
        ) from error
    if digest_bytes(data).sha256 != manifest.rpartition("-")[2].removesuffix(".parquet"):
        raise IntegrityError(f"The manifest of {name}@{version[:12]} was altered after its commit.")
    return decode_manifest(data, f"The manifest of {name}@{version[:12]}")


def _files(batch: pa.RecordBatch) -> Iterator[FileInfo]:
    lists = batch["extents"]
    parts = [column.to_pylist() for column in lists.flatten().flatten()]
    extents = [Extent(*part) for part in zip(*parts, strict=True)]
    first, *borders = lists.offsets.to_pylist()
    columns = [batch[name].to_pylist() for name in SCHEMA.names[:-1]]
    begin = 0
    for border, row in zip(borders, zip(*columns, strict=True), strict=True):
        path, size, sha256, media_type = row
        yield FileInfo(path, size, sha256, media_type, tuple(extents[begin : border - first]))
        begin = border - first
