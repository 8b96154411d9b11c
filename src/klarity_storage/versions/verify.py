"""Read every byte of versions back and hold it against its digests.

Damage does not stop the reading: it is collected, and told by the names of the files that it hits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from obstore.store import ObjectStore

from klarity_storage.errors import (
    IntegrityError,
    InvalidManifestError,
    NotFoundError,
    UnavailableError,
)
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest, load_manifest
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.read import read_chunks
from klarity_storage.versions.workers import run_all

WORKERS: Final = 8
_CHUNK: Final = 4 * 1024 * 1024
"""Bytes that are held at once while an object streams."""
_GAP = 1024 * 1024
"""Bytes between two ranges that are rather read along than asked around."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that cannot be read as it was pushed."""

    version: str
    """Its whole reference: ``vision/datasets/cats@<hash>``."""
    path: str
    """Of the file; of the manifest where that is damaged, and with it every file."""
    problem: str
    """``missing`` or ``altered``."""
    object: str | None = None
    """Which object; None where the file lies in several."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and what of it is damaged."""

    versions: int
    files: int
    """Of all versions: one that two versions have counts twice."""
    bytes: int
    """That were read: an object that several files share is read once."""
    damaged: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged

    def __add__(self, other: Verification) -> Verification:
        return Verification(
            self.versions + other.versions,
            self.files + other.files,
            self.bytes + other.bytes,
            self.damaged + other.damaged,
        )


NOTHING: Final = Verification(0, 0, 0, ())


class Range(NamedTuple):
    """Bytes of one object that are a whole file."""

    object: str
    offset: int
    length: int
    sha256: str


_RANGES: Final = pa.schema(
    {"object": pa.string(), "offset": pa.int64(), "length": pa.int64(), "sha256": pa.string()}
)


def verify_versions(
    store: ObjectStore,
    name: Name,
    versions: Iterable[VersionInfo],
    *,
    progress: OnProgress | None = None,
) -> Verification:
    """Verify versions of one name; what they share is read once.

    Files that lie in several pieces are read one by one, each content once.

    Raises:
        UnavailableError: storage does not answer, so nobody knows what is damaged.
        ForbiddenError: the caller may not read the name.
    """
    wanted = list({info.version: info for info in versions}.values())
    ranges, pieces = _RANGES.empty_table(), dict[tuple[str, tuple[Extent, ...]], FileInfo]()
    damaged: list[Damage] = []
    files = 0
    intact = []
    for info in wanted:
        manifest = _load(store, name, info)
        if isinstance(manifest, Damage):
            damaged.append(manifest)
            continue
        intact.append(info)
        files += len(manifest)
        ranges = _union(ranges, _whole_ranges(manifest))
        pieces |= {(file.sha256, file.extents): file for file in _in_pieces(manifest)}
    total = (pc.sum(ranges["length"]).as_py() or 0) + sum(file.size for file in pieces.values())
    meter = Meter("verifying", total, ranges.num_rows + len(pieces), progress)
    bad = _verify_objects(store, name, ranges, meter) | _verify_pieces(store, name, pieces, meter)
    for info in intact if bad else []:
        manifest = _load(store, name, info)
        if isinstance(manifest, Damage):  # since it was read first
            damaged.append(manifest)
        else:
            damaged += _named(f"{name}@{info.version}", manifest, bad)
    return Verification(len(wanted), files, total, tuple(damaged))


def _load(store: ObjectStore, name: Name, info: VersionInfo) -> Manifest | Damage:
    try:
        return load_manifest(store, name, info.version, info.manifest)
    except (IntegrityError, InvalidManifestError) as error:
        problem = "missing" if isinstance(error.__cause__, NotFoundError) else "altered"
        return Damage(f"{name}@{info.version}", info.manifest, problem)


Content = tuple[str, tuple[Extent, ...]]
"""A file's digest, and where it lies."""


def _whole_ranges(manifest: Manifest) -> pa.Table:
    """The files that are one range of one object, without those of no bytes."""
    table = manifest.table
    single = pc.equal(pc.list_value_length(table["extents"]), 1)
    table = table.filter(pc.and_(single, pc.greater(table["size"], 0)))
    extents = pa.chunked_array(
        [chunk.flatten() for chunk in table["extents"].iterchunks()],
        type=table.schema.field("extents").type.value_type,
    )
    columns = {field: pc.struct_field(extents, field) for field in ("object", "offset", "length")}
    return pa.table(columns | {"sha256": table["sha256"]}).cast(_RANGES)


def _union(ranges: pa.Table, more: pa.Table) -> pa.Table:
    both = pa.concat_tables([ranges, more]).combine_chunks()
    return both.group_by(_RANGES.names, use_threads=False).aggregate([]).select(_RANGES.names)


def _in_pieces(manifest: Manifest) -> Iterator[FileInfo]:
    """The files that lie in several ranges, or have no bytes."""
    table = manifest.table
    several = pc.not_equal(pc.list_value_length(table["extents"]), 1)
    yield from Manifest(table.filter(pc.or_(several, pc.equal(table["size"], 0))))


def _verify_objects(
    store: ObjectStore, name: Name, ranges: pa.Table, meter: Meter
) -> dict[Content, str]:
    """Read each object once, several at a time; return what is damaged, and how."""
    found: dict[Content, str] = {}

    def verify(span: list[Range]) -> None:
        for part, problem in _verify_span(store, name, span):
            extent = Extent(part.object, part.offset, part.length)
            found[part.sha256, (extent,)] = problem
        meter.advance(sum(part.length for part in span), files=len(span))

    run_all(verify, _spans(ranges), workers=WORKERS)
    return found


def _spans(ranges: pa.Table) -> Iterator[list[Range]]:
    """Ranges of one object that are read in one go, by offset."""
    ordered = ranges.sort_by([("object", "ascending"), ("offset", "ascending")])
    rows = (
        Range(**row)
        for batch in ordered.to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
    )
    for _, parts in groupby(rows, key=lambda part: part.object):
        span: list[Range] = []
        end = 0
        for part in parts:
            if span and part.offset > end + _GAP:
                yield span
                span, end = [], 0
            span.append(part)
            end = max(end, _end(part))
        yield span


def _end(part: Range) -> int:
    return part.offset + part.length


def _verify_span(store: ObjectStore, name: Name, span: list[Range]) -> list[tuple[Range, str]]:
    """Stream from the first range to the end of the last, and hash each range on its way."""
    try:
        return _hash_span(span, _stream(store, name, span))
    except NotFoundError:
        return [(part, "missing") for part in span]
    except UnavailableError:
        # an engine refuses a range that begins behind the end, each in words of its own
        size = _size(store, name, span[0].object)
        inside = [part for part in span if _end(part) <= size]
        if len(inside) == len(span):
            raise
    bad = [(part, "altered") for part in span if part not in inside]
    return bad + (_verify_span(store, name, inside) if inside else [])


def _hash_span(span: list[Range], stream: Iterable[bytes]) -> list[tuple[Range, str]]:
    waiting = span[::-1]
    active: list[tuple[Range, Any]] = []
    bad: list[tuple[Range, str]] = []
    at = span[0].offset
    for chunk in stream:
        view = memoryview(chunk)
        after = at + len(view)
        while waiting and waiting[-1].offset < after:
            active.append((waiting.pop(), hashlib.sha256()))
        for part, digest in active:
            digest.update(view[max(0, part.offset - at) : _end(part) - at])
        done = [(part, digest) for part, digest in active if _end(part) <= after]
        bad += [(part, "altered") for part, digest in done if digest.hexdigest() != part.sha256]
        active = [(part, digest) for part, digest in active if _end(part) > after]
        at = after
    # an object that is shorter than it was leaves some unread
    return bad + [(part, "altered") for part in [*waiting, *(part for part, _ in active)]]


def _stream(store: ObjectStore, name: Name, span: list[Range]) -> Iterator[bytes]:
    key = span[0].object
    with told_as_ours(f"the object {key!r} of {name}"):
        reach = (span[0].offset, max(map(_end, span)))
        answer = store.get(name.object_key(key), options={"range": reach})
        for chunk in answer.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)


def _size(store: ObjectStore, name: Name, key: str) -> int:
    with told_as_ours(f"the object {key!r} of {name}"):
        return store.head(name.object_key(key))["size"]


def _verify_pieces(
    store: ObjectStore, name: Name, pieces: dict[Content, FileInfo], meter: Meter
) -> dict[Content, str]:
    found: dict[Content, str] = {}

    def verify(item: tuple[Content, FileInfo]) -> None:
        content, file = item
        try:
            for chunk in read_chunks(store, name, file):
                meter.advance(len(chunk))
        except IntegrityError as error:
            missing = isinstance(error.__cause__, NotFoundError)
            found[content] = "missing" if missing else "altered"
        meter.advance(0, files=1)

    run_all(verify, pieces.items(), workers=WORKERS)
    return found


def _named(version: str, manifest: Manifest, bad: dict[Content, str]) -> Iterator[Damage]:
    """The files of a version that damage hits, by path."""
    digests = pa.array({sha256 for sha256, _ in bad}, pa.string())
    table = manifest.table
    for file in Manifest(table.filter(pc.is_in(table["sha256"], digests))):
        problem = bad.get((file.sha256, file.extents))
        if problem:
            single = file.extents[0].object if len(file.extents) == 1 else None
            yield Damage(version, file.path, problem, single)
