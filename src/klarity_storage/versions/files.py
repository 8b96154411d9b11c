"""The files of a version as a sequence: of a million, few are objects at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from klarity_storage.versions.manifest import FileInfo, Manifest


class Files(Sequence[FileInfo]):
    """Files by path. Each is made when it is looked at, so that their number costs no memory.

    A slice is a list, and what is equal to a list of the same files is this.

    Args:
        starts: the number of the first file of each part, and the number of all files.
        part: the files of a part, by its number.
    """

    def __init__(self, starts: Sequence[int], part: Callable[[int], Manifest]) -> None:
        self._starts = starts
        self._part = part

    @classmethod
    def of(cls, manifest: Manifest) -> Files:
        """The files of a manifest that is in memory."""
        return cls([0, len(manifest)], lambda _: manifest)

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[FileInfo]:
        for number in range(len(self._starts) - 1):
            yield from self._part(number)

    @overload
    def __getitem__(self, index: int) -> FileInfo: ...
    @overload
    def __getitem__(self, index: slice) -> list[FileInfo]: ...
    def __getitem__(self, index: int | slice) -> FileInfo | list[FileInfo]:
        rows = range(len(self))[index]
        return self._row(rows) if isinstance(rows, int) else list(map(self._row, rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Files | list):
            return NotImplemented
        pairs: Iterator[tuple[Any, Any]] = zip(self, other, strict=False)
        return len(self) == len(other) and all(mine == theirs for mine, theirs in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} files>"

    def _row(self, row: int) -> FileInfo:
        number = bisect_right(self._starts, row) - 1
        table = self._part(number).table
        return next(iter(Manifest(table.slice(row - self._starts[number], 1))))
