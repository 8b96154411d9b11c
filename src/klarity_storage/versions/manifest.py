"""The manifest of a version: which bytes of which objects make up each file.

One Parquet file with the columns ``path, size, sha256, media_type, extents``, sorted by path, in
row groups that a reader can skip by the path's statistics. Two more, ``role, overlay_of``, are
there where the version says how its files are shown (see `display`).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

import msgspec
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
from klarity_storage.versions.arrays import (
    list_array,
    null_array,
    number_array,
    shared_texts,
    text_array,
)
from klarity_storage.versions.engine_errors import first_line, told_as_ours
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.manifest_index import encode_table

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

SHOWN: Final = pa.schema([pa.field("role", pa.string()), pa.field("overlay_of", pa.string())])
"""The columns of a version that says how its files are shown."""

_FIELDS: Final = {field.name: field for field in (*SCHEMA, *SHOWN)}

MAX_MANIFEST_BYTES: Final = 1 << 30
"""1 GiB: some ten million files. More is refused before it is read."""

_BATCH: Final = 10_000
"""Files that are objects at once, where one after the other is looked at."""


class Extent(msgspec.Struct, frozen=True, gc=False):
    """A range of bytes of an object under the same name."""

    object: str
    """Its key, relative to the name's prefix: ``<version hash>/<path>``."""
    offset: int
    length: int


class FileInfo(msgspec.Struct, frozen=True, gc=False):
    """One file of a version.

    The garbage collector does not look at it: a version may have a million of them.
    """

    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str
    extents: tuple[Extent, ...]
    role: str | None = None
    """What it is to a viewer: ``image``, ``overlay`` or ``table``; None where nobody said so."""
    overlay_of: str | None = None
    """The path of the image that an overlay lies on."""


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
        table = pa.Table.from_arrays(columns, schema=SCHEMA)
        if any(row.role for row in rows):
            shown = ([row.role for row in rows], [row.overlay_of for row in rows])
            for field, texts in zip(SHOWN, shown, strict=True):
                table = table.append_column(field, text_array(texts))
        return cls(table)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[FileInfo]:
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            yield from _files(batch)

    @property
    def table(self) -> pa.Table:
        """The manifest as it is stored."""
        return self._table

    @property
    def total_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(self._table["size"].to_pylist())

    def column(self, name: str) -> pa.ChunkedArray:
        return self._table[name]

    def columns(self, *names: str) -> pa.Table:
        """Some columns; all that there are without names."""
        return select_columns(self._table, names) if names else self._table

    def paths(self) -> Iterator[str]:
        """The paths alone, in order."""
        for chunk in self._table["path"].iterchunks():
            yield from chunk.to_pylist()

    def find(self, path: str) -> FileInfo:
        """One file, or FileMissingError."""
        found = self.get(path)
        if found is None:
            raise FileMissingError(
                f"The version has no file {path!r}.", hint="ks ls REF lists its files."
            )
        return found

    def get(self, path: str) -> FileInfo | None:
        """One file, or None."""
        row = self._first_from(path)
        if row == len(self) or self._table["path"][row].as_py() != path:
            return None
        # by itself: to make a batch of one row into objects takes ten times as long
        names = [field.name for field in self._table.schema if field.name != "extents"]
        plain = {name: self._table[name][row].as_py() for name in names}
        parts = self._table["extents"][row].as_py()
        return FileInfo(**plain, extents=tuple(Extent(**part) for part in parts))

    def all(self) -> Manifest:
        return self

    def between(self, low: str, high: str) -> Manifest:
        """The files from one path on and before another."""
        start, end = self._first_from(low), self._first_from(high)
        return Manifest(self._table.slice(start, max(0, end - start)))

    def _first_from(self, path: str) -> int:
        """The row of the first file at or behind a path."""
        paths = self._table["path"]
        return bisect_left(range(len(paths)), path, key=lambda row: paths[row].as_py())

    def filter(self, mask: pa.ChunkedArray) -> Manifest:
        """The files where a mask holds."""
        return Manifest(self._table.filter(mask))

    def version_hash(self) -> str:
        """See `hashing.version_hash`; the same over columns."""
        digest = hashlib.sha256()
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            columns = (batch[name].to_pylist() for name in ("sha256", "size", "path"))
            lines = (
                f"{sha256} {size} {path}\n" for sha256, size, path in zip(*columns, strict=True)
            )
            digest.update("".join(lines).encode())
        return digest.hexdigest()

    def encode(self) -> tuple[str, bytes]:
        """Its file name, which holds the SHA-256 of its bytes, and its bytes."""
        data = encode_table(self._table)
        return f"manifest-{hashlib.sha256(data).hexdigest()}.parquet", data


def after(path: str) -> str:
    """The text that comes next behind a path: nothing sorts between them."""
    return f"{path}\0"


def decode_manifest(data: bytes, what: str) -> Manifest:
    """Read a manifest and check everything that can be checked without its objects.

    Args:
        data: the bytes of the Parquet file.
        what: which manifest, for the error.

    Raises:
        InvalidManifestError: it is not Parquet, has other columns, is not sorted, holds a path that
            cannot be stored, or extents that do not add up or leave the name.
    """
    return Manifest(checked(lambda: pq.ParquetFile(pa.BufferReader(data)), what))


def checked(
    opened: Callable[[], pq.ParquetFile],
    what: str,
    groups: Sequence[int] | None = None,
    look: Callable[[pa.Table], None] | None = None,
) -> pa.Table:
    """The rows of a manifest's file, or of some row groups of it, checked.

    Raises:
        InvalidManifestError: see `decode_manifest`.
    """
    table = decoded(opened, what, groups=groups, look=look)
    from klarity_storage.versions.manifest_check import check_rows  # noqa: PLC0415 - loads Arrow's compute

    try:
        check_rows(table)
    except ValueError as error:
        raise InvalidManifestError(f"{what} does not hold: {error}") from error
    return table


def decoded(
    opened: Callable[[], pq.ParquetFile],
    what: str,
    *,
    columns: Sequence[str] = (),
    groups: Sequence[int] | None = None,
    look: Callable[[pa.Table], None] | None = None,
) -> pa.Table:
    """Some columns of some row groups; their types are checked, and not what they say.

    Without columns these are all that a manifest has. ``look`` sees them as they were read, before
    they take the types of the schema.
    """
    try:
        # not by `pq.read_table`, which loads pandas where that is installed; and
        # without Arrow's own threads: a program that ends soon after them may abort (pyarrow 26)
        file = opened()
        every = range(file.num_row_groups)
        there = {*SCHEMA.names, *file.schema_arrow.names}
        known = [name for name in _FIELDS if name in there]
        wanted = [name for name in columns or known if name in known]
        schema = pa.schema([_FIELDS[name] for name in wanted])
        table = file.read_row_groups(
            list(every if groups is None else groups), wanted, use_threads=False
        )
        if look is not None:
            look(table)
        if not table.schema.equals(schema):
            table = table.select(schema.names).cast(schema)
        table = table.replace_schema_metadata()  # an index is of the file, not of its rows
        table.validate(full=True)
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise InvalidManifestError(f"{what} is not a manifest: {first_line(error)}.") from error
    return select_columns(table, columns) if columns else table


def select_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Some columns of a manifest; where nobody said how files are shown, that is null."""
    for name in names:
        if name in SHOWN.names and name not in table.schema.names:
            table = table.append_column(_FIELDS[name], null_array(table.num_rows))
    return table.select(list(names))


def load_manifest(store: ObjectStore, name: Name, version: str, manifest: str) -> Manifest:
    """Fetch a version's manifest and verify it against the digest in its name.

    Raises:
        IntegrityError: it is missing or its bytes are others.
        InvalidManifestError: it does not hold what it claims.
    """
    data = fetch_manifest(store, name, version, manifest)
    return decode_manifest(data, f"The manifest of {name}@{version[:12]}")


def fetch_manifest(store: ObjectStore, name: Name, version: str, manifest: str) -> bytes:
    """The bytes of a version's manifest, verified against the digest in its name.

    Raises:
        IntegrityError: it is missing or its bytes are others.
        InvalidManifestError: it is larger than a manifest may be.
    """
    key = name.manifest_key(version, manifest)
    with told_of_manifest(name, version):
        answer = store.get(key)
        if answer.meta["size"] > MAX_MANIFEST_BYTES:
            raise InvalidManifestError(f"The manifest {key!r} is larger than 1 GiB.")
        data = bytes(answer.bytes())
    if digest_bytes(data).sha256 != manifest.rpartition("-")[2].removesuffix(".parquet"):
        raise altered(name, version)
    return data


@contextmanager
def told_of_manifest(name: Name, version: str) -> Iterator[None]:
    """A manifest that is missing is damage: its version was committed."""
    try:
        with told_as_ours(f"the manifest of {name}@{version[:12]}"):
            yield
    except NotFoundError as error:
        raise IntegrityError(
            f"The manifest of {name}@{version[:12]} is missing.",
            hint="Push the same files again: equal content has the same hash.",
        ) from error


def altered(name: Name, version: str) -> IntegrityError:
    return IntegrityError(f"The manifest of {name}@{version[:12]} was altered after its commit.")


def _files(batch: pa.RecordBatch) -> Iterator[FileInfo]:
    if not batch.num_rows:
        return iter(())
    lists = batch["extents"]
    objects, offsets, lengths = lists.flatten().flatten()
    parts = list(map(Extent, shared_texts(objects), offsets.to_pylist(), lengths.to_pylist()))
    borders = lists.offsets.to_pylist()
    extents = [
        tuple(parts[begin - borders[0] : end - borders[0]]) for begin, end in pairwise(borders)
    ]
    plain = (batch[name].to_pylist() for name in ("path", "size", "sha256"))
    shown = (batch[name].to_pylist() for name in SHOWN.names if name in batch.schema.names)
    return map(FileInfo, *plain, shared_texts(batch["media_type"]), extents, *shown)
