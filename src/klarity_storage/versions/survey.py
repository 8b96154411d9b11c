"""What a commit takes of a manifest, checked in bounded memory: it may come from anybody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from klarity_storage.errors import InvalidManifestError
from klarity_storage.protocol.log import Footer
from klarity_storage.versions.arrays import text_array
from klarity_storage.versions.display import DisplayCheck
from klarity_storage.versions.manifest_bounds import gather_paths
from klarity_storage.versions.manifest_check import check_paths, object_ends
from klarity_storage.versions.manifest_file import ManifestFile
from klarity_storage.versions.manifest_index import GROUP, check_group, footer_of, read_groups


@dataclass(frozen=True, slots=True)
class Survey:
    """What a commit takes of a manifest."""

    version: str
    """The hash of the files that it lists."""
    files: int
    bytes: int
    ends: dict[str, int]
    """The objects that extents name, each with the end of the last byte that they take of it."""
    footer: Footer | None
    """Where it can be read in parts."""


def survey_manifest(data: bytes, what: str) -> Survey:
    """Check a manifest, a row group after the other.

    Raises:
        InvalidManifestError: it does not hold what it claims; see `manifest.decode_manifest`.
    """
    file = ManifestFile(data, what, bounded=True)
    with _told_of(what):
        paths = gather_paths(
            file.columns("path", group=number)["path"] for number in range(len(file.starts) - 1)
        )
        check_paths(paths)
        footer = _check_index(data, file, paths)
    digest = hashlib.sha256()
    size = 0
    ends: dict[str, int] = {}
    shown = DisplayCheck()
    for number, (start, end) in enumerate(pairwise(file.starts)):
        if start == end:
            continue
        table = file.group(number)
        for batch in table.to_batches(max_chunksize=GROUP):
            digest.update(_lines(batch))
        size += pc.sum(table["size"]).as_py()
        for key, last in object_ends(table).items():
            ends[key] = max(last, ends.get(key, 0))
        with _told_of(what):
            shown.add(table)
    with _told_of(what):
        shown.finish()
    return Survey(digest.hexdigest(), len(file), size, ends, footer)


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidManifestError(f"{what} does not hold: {error}") from error


_SPACE, _LINE_END, _NOTHING = text_array([" ", "\n", ""])


def _lines(batch: pa.RecordBatch) -> memoryview:
    """What the hash of a version is made of: ``<sha256> <size> <path>``, one line a file."""
    sizes = batch["size"].cast(pa.string())
    lines = pc.binary_join_element_wise(batch["sha256"], sizes, batch["path"], _SPACE)
    lines = pc.binary_join_element_wise(lines, _LINE_END, _NOTHING)
    _, borders, text = lines.buffers()
    first, last = (memoryview(borders).cast("i")[lines.offset + at] for at in (0, len(lines)))
    return memoryview(text)[first:last]


def _check_index(data: bytes, file: ManifestFile, paths: pa.ChunkedArray) -> Footer | None:
    groups = read_groups(file.metadata)
    if groups is None:
        return None
    for number, group in enumerate(groups):
        if file.starts[number] == file.starts[number + 1]:
            raise InvalidManifestError(f"row group {number} is empty.")
        if paths[file.starts[number]].as_py() != group.first:
            raise InvalidManifestError(f"its index has another first path of row group {number}.")
        check_group(data, file.metadata, number, group)
    return footer_of(data)
