"""What differs between two versions, by their manifests alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from klarity_storage.versions.manifest import Manifest


class Change(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs."""

    change: Change
    path: str
    """In the newer version; in the older one where it was removed."""
    old_path: str | None
    """Where the same content was, for a file that was renamed."""
    size: int | None
    """In bytes, in the newer version; None where it was removed."""
    old_size: int | None
    """In bytes, in the older version; None where it was added."""


SCHEMA: Final = pa.schema(
    {
        "change": pa.string(),
        "path": pa.string(),
        "old_path": pa.string(),
        "size": pa.int64(),
        "old_size": pa.int64(),
    }
)

_CONTENT = ("sha256", "size")


class Diff:
    """The files that differ, in Arrow, sorted by path; iterate for one object a file."""

    def __init__(self, table: pa.Table, total_files: int) -> None:
        self.table = table
        """Columns change, path, old_path, size, old_size: see ``FileChange``."""
        self.total_files = total_files
        """How many files the newer version has."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[FileChange]:
        for batch in self.table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield FileChange(**row | {"change": Change(row["change"])})

    def count(self, change: Change) -> int:
        """How many files were added, removed, changed or renamed."""
        return int(self._of(change).num_rows)

    def new_bytes(self) -> int:
        """The bytes of files that were added or changed, as they are now."""
        return sum(_sum(self._of(change)["size"]) for change in (Change.ADDED, Change.CHANGED))

    def old_bytes(self) -> int:
        """The bytes of files that were removed or changed, as they were."""
        return sum(
            _sum(self._of(change)["old_size"]) for change in (Change.REMOVED, Change.CHANGED)
        )

    def _of(self, change: Change) -> pa.Table:
        return self.table.filter(pc.equal(self.table["change"], change.value))


def diff(old: Manifest, new: Manifest) -> Diff:
    """What became of the files of ``old`` in ``new``.

    A file that was removed and whose content was added at another path was renamed.
    """
    gone, come = _apart(old.table, new.table)
    changed = gone.join(come, "path", join_type="inner", use_threads=False, left_suffix="_old")
    removed = _without(gone, changed["path"])
    added = _without(come, changed["path"])
    renamed = _renamed(removed, added)
    removed = _without(removed, renamed["old_path"])
    added = _without(added, renamed["path"])
    parts = [
        _rows(Change.CHANGED, changed["path"], size=changed["size"], old_size=changed["size_old"]),
        _rows(Change.REMOVED, removed["path"], old_size=removed["size"]),
        _rows(Change.ADDED, added["path"], size=added["size"]),
        renamed,
    ]
    return Diff(pa.concat_tables(parts).sort_by("path"), len(new))


def _apart(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The files of each that are not the same in the other: nearly nothing, most of the time."""
    columns = ["path", *_CONTENT]
    old, new = old.select(columns), new.select(columns)
    keys = ["path", "sha256"]
    return (
        old.join(new, keys, join_type="left anti", use_threads=False),
        new.join(old, keys, join_type="left anti", use_threads=False),
    )


def _without(table: pa.Table, paths: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["path"], paths.combine_chunks())))


def _renamed(removed: pa.Table, added: pa.Table) -> pa.Table:
    """Removed and added files of the same content, paired in the order of their paths."""
    ranked = [_ranked(table) for table in (removed, added)]
    pairs = ranked[0].join(
        ranked[1],
        [*_CONTENT, "rank"],
        join_type="inner",
        use_threads=False,
        left_suffix="_old",
    )
    return _rows(
        Change.RENAMED,
        pairs["path"],
        old_path=pairs["path_old"],
        size=pairs["size"],
        old_size=pairs["size"],
    )


def _ranked(table: pa.Table) -> pa.Table:
    """The files with their rank among those of the same content, so that each has one partner."""
    table = table.sort_by([("sha256", "ascending"), ("path", "ascending")])
    ranks, previous, rank = [], None, 0
    for sha256 in table["sha256"].to_pylist():
        rank = rank + 1 if sha256 == previous else 0
        previous = sha256
        ranks.append(rank)
    return table.append_column("rank", pa.array(ranks, pa.int64()))


def _rows(change: Change, path: pa.ChunkedArray, **columns: pa.ChunkedArray) -> pa.Table:
    size = len(path)
    given = {"change": pa.repeat(change.value, size), "path": path} | columns
    return pa.table(
        {field.name: given.get(field.name, pa.nulls(size, field.type)) for field in SCHEMA},
        schema=SCHEMA,
    )


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column).as_py() or 0)
