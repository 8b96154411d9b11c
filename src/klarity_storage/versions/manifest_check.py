"""What a manifest must keep to, checked a column at a time: it may come from anybody.

Arrow finds the rows that could be wrong; Python looks at those alone, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from klarity_storage.errors import InvalidManifestError
from klarity_storage.layout import (
    MAX_SEGMENT_BYTES,
    RESERVED_SEGMENT,
    check_hash,
    check_object,
    check_path,
)
from klarity_storage.versions.arrays import number_array, shared_texts
from klarity_storage.versions.manifest import SCHEMA

_HASH: Final = "[0-9a-f]{64}"
_BAD_ANYWHERE: Final = r"[\x00-\x1f\x7f-\x{9f}\\]|//|/$|/\.{1,2}(?:/|$)"
# a rough sieve: a fault of `check_path` never passes it, and little else is caught in it
_BAD_PATH: Final = rf"^$|^/|^\.{{1,2}}(?:/|$)|^{RESERVED_SEGMENT}(?:/|$)|{_BAD_ANYWHERE}"
_GOOD_OBJECT: Final = rf"^{_HASH}/[^/]"
_BAD_OBJECT: Final = rf"^{_HASH}/{RESERVED_SEGMENT}(?:/|$)|{_BAD_ANYWHERE}"

_ZERO: Final = number_array([0])
_LONGEST: Final = number_array([MAX_SEGMENT_BYTES])[0]
_LONGEST_OBJECT: Final = number_array([64 + len("/") + MAX_SEGMENT_BYTES])[0]


def check_rows(table: pa.Table) -> None:
    """Refuse a manifest that lists nonsense; its columns have the types of the schema.

    Raises:
        ValueError: one sentence that names the file.
    """
    check_paths(table["path"])
    table = table.combine_chunks()  # large ones keep several chunks
    if any(table[name].null_count for name in SCHEMA.names):
        raise InvalidManifestError("it holds nulls.")
    hashes = table["sha256"]
    _check_each(hashes, pc.invert(pc.match_substring_regex(hashes, f"^{_HASH}$")), check_hash)
    for batch in table.to_batches():
        _check_extents(batch)


def check_paths(paths: pa.ChunkedArray) -> None:
    """Refuse paths that cannot be stored, are not in order, or are files and folders.

    Raises:
        ValueError: one sentence that names the file.
    """
    if not len(paths):
        raise InvalidManifestError("it lists no file.")
    if paths.null_count:
        raise InvalidManifestError("it holds nulls.")
    paths = pa.chunked_array([paths.combine_chunks()], paths.type)
    suspects = pc.or_(
        pc.match_substring_regex(paths, _BAD_PATH),
        pc.greater(pc.binary_length(paths), _LONGEST),
    )
    _check_each(paths, suspects, check_path)
    _check_order(paths)
    _check_folders(paths)


def object_ends(table: pa.Table) -> dict[str, int]:
    """The objects that extents name, each with the end of the last byte that they take of it."""
    ends: dict[str, int] = {}
    for batch in table.to_batches():
        keys, offsets, lengths = batch["extents"].flatten().flatten()
        last = pc.add(offsets, lengths)  # not `group_by`, which loads pandas where it is installed
        for key, end in zip(shared_texts(keys), last.to_pylist(), strict=True):
            if end > ends.get(key, -1):
                ends[key] = end
    return ends


def _check_each(
    texts: pa.ChunkedArray | pa.Array, suspects: pa.ChunkedArray, check: Callable[[str], str]
) -> None:
    for text in texts.filter(suspects).to_pylist():
        check(text)


def _check_order(paths: pa.ChunkedArray) -> None:
    at = _first(pc.less_equal(paths[1:], paths[:-1]))
    if at is not None:
        raise InvalidManifestError(f"{paths[at + 1].as_py()!r} is out of order or listed twice.")


def _check_folders(paths: pa.ChunkedArray) -> None:
    """No file is a folder of another; of each depth every folder is looked at once."""
    depth = paths
    while True:
        deep = depth.filter(pc.match_substring(depth, "/"))
        depth = pc.unique(_folders(deep))
        if not len(depth):
            return
        at = _first(pc.is_in(paths, value_set=depth))
        if at is not None:
            raise InvalidManifestError(f"{paths[at].as_py()!r} is a file and a folder.")


def _folders(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    """The folder that each path lies in; every path has one."""
    parts = pc.split_pattern(paths, "/", max_splits=1, reverse=True)
    return pc.list_element(parts, _ZERO[0])


def _check_extents(batch: pa.RecordBatch) -> None:
    lists = batch["extents"]
    extents = lists.flatten()
    if extents.null_count or any(column.null_count for column in extents.flatten()):
        raise InvalidManifestError("it holds nulls.")
    _check_objects(pc.unique(extents.field("object")))
    offsets, lengths = extents.field("offset"), extents.field("length")
    # an end beyond all numbers wraps around
    bad = reduce(
        pc.or_, (pc.less(each, _ZERO[0]) for each in (offsets, lengths, pc.add(offsets, lengths)))
    )
    at = _first(bad)
    if at is not None:
        path = batch["path"][pc.list_parent_indices(lists)[at].as_py()].as_py()
        raise InvalidManifestError(f"{path!r} has an extent that is no range.")
    sizes = batch["size"]
    totals = _totals(lists, lengths)
    at = _first(pc.not_equal(totals, sizes))
    if at is not None:
        raise InvalidManifestError(
            f"{batch['path'][at].as_py()!r} has {sizes[at].as_py()} bytes, "
            f"but its extents have {totals[at].as_py()}."
        )


def _check_objects(objects: pa.Array) -> None:
    suspects = pc.or_(
        pc.or_(
            pc.match_substring_regex(objects, _BAD_OBJECT),
            pc.invert(pc.match_substring_regex(objects, _GOOD_OBJECT)),
        ),
        pc.greater(pc.binary_length(objects), _LONGEST_OBJECT),
    )
    _check_each(objects, suspects, check_object)


def _totals(lists: pa.ListArray, lengths: pa.Array) -> pa.Array:
    """The sum of each list, by the differences of a running sum."""
    try:
        running = pc.cumulative_sum_checked(lengths)
    except pa.ArrowInvalid:
        raise InvalidManifestError("its extents have more bytes than can be.") from None
    borders = pc.subtract(lists.offsets, lists.offsets[0])
    sums = pa.concat_arrays([_ZERO, running]).take(borders)
    return pc.subtract(sums[1:], sums[:-1])


def _first(mask: pa.Array | pa.ChunkedArray) -> int | None:
    """Where a mask holds first."""
    at = pc.indices_nonzero(mask)
    return at[0].as_py() if len(at) else None
