"""Plan few large range requests: small files together, large ones in pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from klarity_storage.versions.manifest import Extent, FileInfo

MAX_RUN: Final = 4 * 1024 * 1024
"""Bytes of one request. What is under way at once stays well below 300 MiB."""

MAX_GAP: Final = 1024 * 1024
"""Bytes that are fetched for nothing rather than begin another request: some 10 ms of a network."""


@dataclass(slots=True)
class Run:
    """A range of an object, and the files that lie in it whole."""

    object: str
    start: int
    end: int
    files: list[FileInfo] = field(default_factory=list)


def plan_runs(files: Iterable[FileInfo]) -> tuple[list[Run], list[FileInfo]]:
    """Put small files together that lie near each other.

    Returns:
        Runs by object and offset, and the files that are read by themselves: the large ones, and
        those whose bytes lie in several places.
    """
    together: defaultdict[str, list[FileInfo]] = defaultdict(list)
    alone: list[FileInfo] = []
    for file in files:
        if not file.size:
            together[""].append(file)
        elif len(file.extents) == 1 and file.size <= MAX_RUN:
            together[file.extents[0].object].append(file)
        else:
            alone.append(file)
    empty = together.pop("", [])
    runs = [Run("", 0, 0, empty)] if empty else []
    for key in sorted(together):
        runs += _runs_of(key, together[key])
    return runs, alone


def _runs_of(key: str, files: list[FileInfo]) -> Iterator[Run]:
    files.sort(key=lambda file: file.extents[0].offset)
    run = Run(key, files[0].extents[0].offset, files[0].extents[0].offset)
    for file in files:
        start = file.extents[0].offset
        end = max(run.end, start + file.size)
        if start > run.end + MAX_GAP or end - run.start > MAX_RUN:
            yield run
            run, end = Run(key, start, start), start + file.size
        run.end = end
        run.files.append(file)
    yield run


def pieces(extents: Iterable[Extent], size: int = MAX_RUN) -> Iterator[Extent]:
    """The extents of a file with neighbours joined, cut into pieces of at most ``size`` bytes."""
    for extent in _joined(extents):
        for start in range(0, extent.length, size):
            length = min(size, extent.length - start)
            yield Extent(extent.object, extent.offset + start, length)


def _joined(extents: Iterable[Extent]) -> Iterator[Extent]:
    last: Extent | None = None
    for extent in extents:
        if last and last.object == extent.object and last.offset + last.length == extent.offset:
            last = Extent(last.object, last.offset, last.length + extent.length)
            continue
        if last:
            yield last
        last = extent
    if last:
        yield last


def within(extents: Iterable[Extent], start: int, end: int) -> Iterator[Extent]:
    """Where the bytes from ``start`` to ``end`` of a file lie."""
    at = 0
    for extent in extents:
        first, last = max(start, at), min(end, at + extent.length)
        if first < last:
            yield Extent(extent.object, extent.offset + first - at, last - first)
        at += extent.length
