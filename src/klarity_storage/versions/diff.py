"""What differs between two versions, by their manifests alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from klarity_storage.versions.arrays import text_array


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
        return self.table.filter(pc.equal(self.table["change"], text_array([change])[0]))


class Source(Protocol):
    """A manifest, in memory or in storage."""

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all files, by path."""


def diff(old: Source, new: Source) -> Diff:
    """What became of the files of ``old`` in ``new``.

    A file that was removed and whose content was added at another path was renamed.
    """
    columns = ("path", *_CONTENT)
    before, after = old.columns(*columns), new.columns(*columns)
    gone, come = _apart(before, after)
    was, now = _pairs(gone, come, "path")
    removed = _without(gone, now["path"])
    added = _without(come, now["path"])
    renamed = _renamed(removed, added)
    removed = _without(removed, renamed["old_path"])
    added = _without(added, renamed["path"])
    parts = [
        _rows(Change.CHANGED, now["path"], size=now["size"], old_size=was["size"]),
        _rows(Change.REMOVED, removed["path"], old_size=removed["size"]),
        _rows(Change.ADDED, added["path"], size=added["size"]),
        renamed,
    ]
    return Diff(_sorted(pa.concat_tables(parts), "path"), after.num_rows)


def _apart(old: pa.Table, new: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The files of each that are not the same in the other: nearly nothing, most of the time."""
    if old["path"].equals(new["path"]):
        other = pc.not_equal(old["sha256"], new["sha256"])
        return old.filter(other), new.filter(other)
    return _unlike(old, new), _unlike(new, old)


def _unlike(files: pa.Table, others: pa.Table) -> pa.Table:
    """The files that the others do not have, or have with other content."""
    there = pc.index_in(files["path"], value_set=others["path"])
    differs = pc.not_equal(files["sha256"], others["sha256"].take(there))
    return files.filter(pc.or_kleene(pc.is_null(there), differs))


def _without(table: pa.Table, paths: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["path"], paths)))


def _renamed(removed: pa.Table, added: pa.Table) -> pa.Table:
    """Removed and added files of the same content, paired in the order of their paths."""
    was, now = _pairs(_ranked(removed), _ranked(added), "ranked")
    return _rows(
        Change.RENAMED,
        now["path"],
        old_path=was["path"],
        size=now["size"],
        old_size=was["size"],
    )


def _pairs(left: pa.Table, right: pa.Table, key: str) -> tuple[pa.Table, pa.Table]:
    """The rows of each that have a partner in the other, in the same order; keys are unique."""
    # not by `join`, which loads pandas where that is installed
    at = pc.index_in(left[key], value_set=right[key])
    return left.filter(pc.is_valid(at)), right.take(pc.drop_null(at))


def _ranked(table: pa.Table) -> pa.Table:
    """The files with content and rank among those that have it, so that each has one partner."""
    table = _sorted(table, "sha256", "path")
    ranks, previous, rank = [], None, 0
    for sha256 in table["sha256"].to_pylist():
        rank = rank + 1 if sha256 == previous else 0
        previous = sha256
        ranks.append(f"{sha256} {rank}")
    return table.append_column("ranked", text_array(ranks))


def _sorted(table: pa.Table, *columns: str) -> pa.Table:
    order = [(column, "ascending") for column in columns]
    return table.take(pc.sort_indices(table, order))  # not `sort_by`, which loads pandas


def _rows(change: Change, path: pa.ChunkedArray, **columns: pa.ChunkedArray) -> pa.Table:
    size = len(path)
    given = {"change": text_array([change] * size), "path": path} | columns
    return pa.table(
        {field.name: given.get(field.name, pa.nulls(size, field.type)) for field in SCHEMA},
        schema=SCHEMA,
    )


def _sum(column: pa.ChunkedArray) -> int:
    return int(pc.sum(column).as_py() or 0)
