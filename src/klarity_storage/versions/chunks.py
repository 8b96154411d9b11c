"""Large files that changed: what an earlier file has is pointed at, and only the rest goes up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions import cutting
from klarity_storage.versions.chunk_lists import load_chunks, write_chunks
from klarity_storage.versions.cutting import Chunk, Chunks, Cuts
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.folder import Folder
from klarity_storage.versions.hashing import source_changed
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest
from klarity_storage.versions.parts import pack_path
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.stored import Placed, content_of
from klarity_storage.versions.workers import run_all

MIN_RUN: Final = 1024 * 1024
"""A shorter range that an earlier file has is uploaded again: fewer ranges are faster to read."""

PACK: Final = 16 * 1024 * 1024
"""Bytes of a pack of new ranges."""

WORKERS: Final = 2
_FOLDERS = 16
_MAX_CHUNKS = 500_000
"""Of all earlier files together: some 80 GB of them, 80 MB of memory."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a new file."""

    offset: int
    length: int
    first: int
    """The number of its first chunk."""
    place: tuple[int, int] | None
    """Which earlier file has it, and where; None when it is new."""


@dataclass(slots=True)
class Plan:
    """How a changed file is put together."""

    source: Path
    file: FileInfo
    chunks: Chunks
    ranges: list[Range]
    extents: dict[int, Extent] = field(default_factory=dict)
    """What lies in packs, by offset in the file."""


class Earlier:
    """Files that storage has, to look up chunks in."""

    def __init__(self) -> None:
        self._files: list[tuple[FileInfo, list[int]]] = []
        self._starts: list[list[int]] = []
        self._chunks: list[Chunks] = []
        self._first: dict[bytes, tuple[int, int]] = {}

    def add(self, file: FileInfo, chunks: Chunks) -> None:
        number = len(self._files)
        ends = list(accumulate((extent.length for extent in file.extents), initial=0))
        self._files.append((file, ends))
        self._chunks.append(chunks)
        self._starts.append(list(accumulate((length for _, length in chunks), initial=0)))
        for at, (digest, _) in enumerate(chunks):
            self._first.setdefault(digest, (number, at))

    def __len__(self) -> int:
        return len(self._first)

    def find(self, chunk: Chunk, last: tuple[int, int] | None) -> tuple[int, int] | None:
        """Where a chunk lies: behind the last one if it can, so that runs are long."""
        if last is not None:
            number, at = last[0], last[1] + 1
            chunks = self._chunks[number]
            if at < len(chunks) and chunks[at] == chunk:
                return number, at
        return self._first.get(chunk[0])

    def offset(self, place: tuple[int, int]) -> int:
        return self._starts[place[0]][place[1]]

    def extents(self, number: int, offset: int, length: int) -> Iterator[Extent]:
        """The ranges of objects that make up a range of an earlier file."""
        file, starts = self._files[number]
        at = bisect_right(starts, offset) - 1
        while length:
            extent, skip = file.extents[at], offset - starts[at]
            size = min(length, extent.length - skip)
            if size > 0:
                yield Extent(extent.object, extent.offset + skip, size)
                offset, length = offset + size, length - size
            at += 1


@dataclass(frozen=True, slots=True)
class Changed:
    """Large files of which storage has a part."""

    plans: list[Plan]
    earlier: Earlier

    def __contains__(self, item: Hashed) -> bool:
        return any(plan.file.path == item[1].path for plan in self.plans)

    @property
    def bytes(self) -> int:
        """What is new in them."""
        return sum(part.length for plan in self.plans for part in plan.ranges if part.place is None)


def plan_changed(
    reading: ObjectStore,
    name: Name,
    known: list[VersionInfo],
    latest: Manifest,
    new: list[Hashed],
    cuts: Cuts,
) -> Changed:
    """Find which large files an earlier version has a part of; the others are uploaded whole.

    Args:
        reading: the bucket, with keys that read the name.
        name: the name.
        known: its commits, newest first.
        latest: the manifest of the newest.
        new: the files whose content no version has.
        cuts: their chunks.

    Raises:
        SourceChangedError: a file is not any more what was hashed.
    """
    pairs = _earlier_files(latest, [item for item in new if item[1].size >= cutting.LARGE])
    earlier = _load_earlier(reading, name, known, {file.path: file for file in pairs.values()})
    changed = [item for item in new if item[1].path in pairs] if len(earlier) else []
    made = run_all(lambda item: _plan(item, earlier, cuts), changed, workers=WORKERS)
    return Changed([plan for plan in made if any(part.place for part in plan.ranges)], earlier)


def upload_changed(
    store: ObjectStore, name: Name, version: str, changed: Changed, progress: OnProgress | None
) -> Placed:
    """Upload what is new in large files that changed, and say where their content lies now.

    Args:
        store: the bucket, with keys that write the version's folder.
        name: the name.
        version: the version that is pushed.
        changed: what was planned.
        progress: called while it runs.

    Raises:
        SourceChangedError: a file is not any more what was hashed.
    """
    plans = changed.plans
    if not plans:
        return {}
    meter = Meter("uploading", changed.bytes, len(plans), progress)
    folder = Folder(store, name, version)
    run_all(lambda pack: _put(folder, pack, meter), _packs(plans), workers=WORKERS)
    for plan in plans:
        write_chunks(store, name, version, plan.file, plan.chunks)
        meter.advance(0, files=1)
    return {content_of(plan.file): _extents(plan, changed.earlier) for plan in plans}


def _earlier_files(latest: Manifest, files: list[Hashed]) -> dict[str, FileInfo]:
    """For each path the earlier file of the same path, or the one nearest in size."""
    if not files:
        return {}
    table = latest.table
    large = list(Manifest(table.filter(pc.greater_equal(table["size"], cutting.LARGE))))
    by_path = {file.path: file for file in large}
    pairs = {}
    for _, file in files:
        same = by_path.get(file.path)
        if same is None and large:
            same = min(large, key=lambda other: abs(other.size - file.size))
            if not file.size / 2 <= same.size <= file.size * 2:
                same = None
        if same is not None:
            pairs[file.path] = same
    return pairs


def _load_earlier(
    store: ObjectStore, name: Name, known: list[VersionInfo], files: dict[str, FileInfo]
) -> Earlier:
    # a folder may stand before a manifest's file name: then that is the version's
    order = list(dict.fromkeys(i.manifest.rpartition("/")[0] or i.version for i in known))
    age = {folder: at for at, folder in enumerate(order)}
    earlier = Earlier()
    for file in files.values():
        folders = {extent.object.partition("/")[0] for extent in file.extents}
        own = sorted(folders, key=lambda folder: age.get(folder, len(age)))
        places = dict.fromkeys([*own[:_FOLDERS], *order[:_FOLDERS]])
        chunks = load_chunks(store, name, places, file)
        if chunks and len(earlier) + len(chunks) <= _MAX_CHUNKS:
            earlier.add(file, chunks)
    return earlier


def _plan(item: Hashed, earlier: Earlier, cuts: Cuts) -> Plan:
    source, file = item
    chunks = cuts.of(source, file.sha256)
    return Plan(source.file, file, chunks, _long_enough(_ranges(chunks, earlier)))


def _ranges(chunks: Chunks, earlier: Earlier) -> Iterator[Range]:
    """The runs of chunks that lie behind each other in an earlier file too, and those between."""
    offset = start = first = 0
    begin: tuple[int, int] | None = None
    last: tuple[int, int] | None = None
    for at, chunk in enumerate(chunks):
        place = earlier.find(chunk, last)
        goes_on = place == (last[0], last[1] + 1) if last is not None else place is None
        if at and not goes_on:
            yield _range(start, offset, first, begin, earlier)
        if not at or not goes_on:
            start, first, begin = offset, at, place
        last = place
        offset += chunk[1]
    yield _range(start, offset, first, begin, earlier)


def _range(
    start: int, end: int, first: int, begin: tuple[int, int] | None, earlier: Earlier
) -> Range:
    place = (begin[0], earlier.offset(begin)) if begin is not None else None
    return Range(start, end - start, first, place)


def _long_enough(ranges: Iterator[Range]) -> list[Range]:
    """Ranges, the short ones new, and those that are new joined."""
    joined: list[Range] = []
    for part in ranges:
        place = part.place if part.length >= MIN_RUN else None
        if place is None and joined and joined[-1].place is None:
            before = joined.pop()
            joined.append(Range(before.offset, before.length + part.length, before.first, None))
        else:
            joined.append(Range(part.offset, part.length, part.first, place))
    return joined


Piece = tuple[Plan, int, bytes]
"""A new chunk: whose it is, its offset there, its bytes."""


def _packs(plans: list[Plan]) -> Iterator[list[Piece]]:
    pack: list[Piece] = []
    size = 0
    for plan in plans:
        for piece in _new_pieces(plan):
            if pack and size + len(piece[2]) > PACK:
                yield pack
                pack, size = [], 0
            pack.append(piece)
            size += len(piece[2])
    if pack:
        yield pack


def _new_pieces(plan: Plan) -> Iterator[Piece]:
    """The chunks that are new, each made sure to be what was hashed."""
    from blake3 import blake3  # noqa: PLC0415 - only large files need it

    with told_as_ours(f"the file {plan.file.path!r}"), plan.source.open("rb", buffering=0) as file:
        for part in plan.ranges:
            offset, at = part.offset, part.first
            while part.place is None and offset < part.offset + part.length:
                digest, length = plan.chunks[at]
                file.seek(offset)
                data = file.read(length)
                if blake3(data).digest() != digest:
                    raise source_changed(plan.source)
                yield plan, offset, data
                offset, at = offset + length, at + 1


def _put(folder: Folder, pack: list[Piece], meter: Meter) -> None:
    data = b"".join(piece for _, _, piece in pack)
    path = pack_path(data)
    with told_as_ours(f"a pack of {pack[0][0].file.path!r}"):
        folder.put(path, data)
    at = 0
    for plan, offset, piece in pack:
        plan.extents[offset] = Extent(folder.object(path), at, len(piece))
        at += len(piece)
    meter.advance(len(data))


def _extents(plan: Plan, earlier: Earlier) -> tuple[Extent, ...]:
    """The extents of a file, in order; those that lie behind each other are one."""
    found = {offset: [extent] for offset, extent in plan.extents.items()}
    for part in plan.ranges:
        if part.place is not None:
            number, offset = part.place
            found[part.offset] = list(earlier.extents(number, offset, part.length))
    merged: list[Extent] = []
    for offset in sorted(found):
        for extent in found[offset]:
            last = merged[-1] if merged else None
            if last and (last.object, last.offset + last.length) == (extent.object, extent.offset):
                merged[-1] = Extent(last.object, last.offset, last.length + extent.length)
            else:
                merged.append(extent)
    return tuple(merged)
