"""The manifest of a version: which bytes of which objects make up each file.

One Parquet file with the columns ``path, size, sha256, media_type, extents``, sorted by path, in
row groups that a reader can skip by the path's statistics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import ObjectStore

from klarity_storage.errors import (
    FileMissingError,
    IntegrityError,
    InvalidManifestError,
    NotFoundError,
)
from klarity_storage.layout import Name, check_hash, check_object, check_path
from klarity_storage.versions.engine_errors import first_line, told_as_ours
from klarity_storage.versions.hashing import digest_bytes, version_hash

SCHEMA: Final = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field(
            "extents",
            pa.list_(
                pa.struct(
                    [
                        pa.field("object", pa.string(), nullable=False),
                        pa.field("offset", pa.int64(), nullable=False),
                        pa.field("length", pa.int64(), nullable=False),
                    ]
                )
            ),
            nullable=False,
        ),
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
        rows = sorted(files, key=lambda file: file.path.encode())
        columns = {
            "path": [row.path for row in rows],
            "size": [row.size for row in rows],
            "sha256": [row.sha256 for row in rows],
            "media_type": [row.media_type for row in rows],
            "extents": [
                [
                    {"object": part.object, "offset": part.offset, "length": part.length}
                    for part in row.extents
                ]
                for row in rows
            ],
        }
        return cls(pa.table(columns, schema=SCHEMA))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[FileInfo]:
        for batch in self._table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield _file(row)

    @property
    def table(self) -> pa.Table:
        """The manifest as it is stored."""
        return self._table

    @property
    def total_bytes(self) -> int:
        """The sum of the files' sizes."""
        return int(self._table["size"].to_numpy().sum())

    def paths(self) -> Iterator[str]:
        """The paths alone, in order."""
        for chunk in self._table["path"].iterchunks():
            yield from chunk.to_pylist()

    def find(self, path: str) -> FileInfo:
        """One file, or FileMissingError."""
        at = self._table["path"].index(pa.scalar(path)).as_py()
        if at < 0:
            raise FileMissingError(
                f"The version has no file {path!r}.", hint="ks ls REF lists its files."
            )
        return _file(self._table.slice(at, 1).to_pylist()[0])

    def version_hash(self) -> str:
        return version_hash(self)

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
        # without Arrow's own threads: a program that ends soon after them may abort (pyarrow 26)
        table = pq.read_table(pa.BufferReader(data), use_threads=False)
        if not table.schema.equals(SCHEMA):
            table = table.select(SCHEMA.names).cast(SCHEMA)
        table.validate(full=True)
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise InvalidManifestError(f"{what} is not a manifest: {first_line(error)}.") from error
    manifest = Manifest(table)
    try:
        _check(manifest)
    except ValueError as error:
        raise InvalidManifestError(f"{what} does not hold: {error}") from error
    return manifest


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


def _file(row: dict[str, Any]) -> FileInfo:
    extents = tuple(Extent(**extent) for extent in row["extents"])
    return FileInfo(row["path"], row["size"], row["sha256"], row["media_type"], extents)


def _check(manifest: Manifest) -> None:
    if not len(manifest):
        raise InvalidManifestError("it lists no file.")
    previous = b""
    folders: set[str] = set()
    for file in manifest:
        path = check_path(file.path).encode()
        if path <= previous:
            raise InvalidManifestError(f"{file.path!r} is out of order or listed twice.")
        previous = path
        check_hash(file.sha256)
        _check_extents(file)
        _add_folders(file.path, folders)
    clash = next((path for path in manifest.paths() if path in folders), None)
    if clash:
        raise InvalidManifestError(f"{clash!r} is a file and a folder.")


def _add_folders(path: str, folders: set[str]) -> None:
    folder = path.rpartition("/")[0]
    while folder and folder not in folders:
        folders.add(folder)
        folder = folder.rpartition("/")[0]


def _check_extents(file: FileInfo) -> None:
    for extent in file.extents:
        check_object(extent.object)
        if extent.offset < 0 or extent.length < 0:
            raise InvalidManifestError(f"{file.path!r} has an extent that is no range.")
    total = sum(extent.length for extent in file.extents)
    if total != file.size:
        raise InvalidManifestError(
            f"{file.path!r} has {file.size} bytes, but its extents have {total}."
        )
