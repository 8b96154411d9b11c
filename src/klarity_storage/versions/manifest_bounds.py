"""How much a manifest may unfold to: a megabyte of Parquet can stand for many gigabytes of rows.

A row that repeats the one before it costs nothing in a file, and all its bytes in memory. So rows
are counted before they are read, and texts are read as dictionaries, which hold each text once and
are looked at before they are written out row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from klarity_storage.errors import InvalidManifestError
from klarity_storage.layout import MAX_KEY_BYTES

MAX_FILES: Final = 20_000_000
MAX_GROUP: Final = 100_000
"""Files of a row group; ours have 10,000, and had 50,000."""

MAX_EXTENTS: Final = 5_000_000
"""Of a row group."""

MAX_PATHS: Final = 2 << 30
"""Bytes of all paths together."""

TEXTS: Final = ("path", "sha256", "media_type", "extents.list.element.object")
"""The columns that are read as dictionaries, as Parquet calls them."""

_LONGEST: Final = 4 * MAX_KEY_BYTES
"""Bytes of any text; what is too long for what it is, is told by name later."""


def check_rows_claimed(metadata: pq.FileMetaData) -> None:
    """Refuse a file of more rows than a manifest has, before any is read.

    Raises:
        InvalidManifestError: it says how many.
    """
    if metadata.num_rows > MAX_FILES:
        raise InvalidManifestError(f"it lists {metadata.num_rows} files, more than {MAX_FILES}.")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows > MAX_GROUP:
            raise InvalidManifestError(
                f"its row group {number} has {group.num_rows} files, more than {MAX_GROUP}."
            )
        for column in range(group.num_columns):
            if group.column(column).num_values > MAX_EXTENTS:
                raise InvalidManifestError(f"its row group {number} has too many extents.")


def check_texts(table: pa.Table) -> None:
    """Refuse texts that are longer than they may be, and paths that are listed twice.

    Raises:
        InvalidManifestError: it says which column.
    """
    for name in table.column_names:
        for chunk in table[name].chunks:
            objects = name == "extents"
            texts = chunk.flatten().field("object") if objects else chunk
            if not pa.types.is_dictionary(texts.type):
                continue
            longest = pc.max(pc.binary_length(texts.dictionary)).as_py() or 0
            if longest > _LONGEST:
                raise InvalidManifestError(f"a text in {name!r} has {longest} bytes.")
            if name == "path" and len(texts.dictionary) < len(texts):
                raise InvalidManifestError("a path is listed twice.")


def gather_paths(groups: Iterable[pa.ChunkedArray]) -> pa.ChunkedArray:
    """The paths of all row groups, given up at the first that cannot be.

    Raises:
        InvalidManifestError: they are not in order, or too many.
    """
    gathered: list[pa.Array] = []
    size, last = 0, ""
    for group in groups:
        if not len(group):
            continue
        if group.null_count:
            raise InvalidManifestError("it holds nulls.")
        first = group[0].as_py()
        if gathered and first <= last:
            raise InvalidManifestError(f"{first!r} is out of order or listed twice.")
        last = group[-1].as_py()
        size += group.nbytes
        if size > MAX_PATHS:
            raise InvalidManifestError(f"its paths have more than {MAX_PATHS >> 30} GiB.")
        gathered += group.chunks
    return pa.chunked_array(gathered, pa.string())
