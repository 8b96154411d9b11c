"""Content that storage has already: it is pointed at, not uploaded again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, InvalidManifestError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.content_index import Added, content_hints, hinted_versions
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest, load_manifest

Content = tuple[str, int]
"""A file's bytes, by SHA-256 and size."""

Placed = dict[Content, tuple[Extent, ...]]
"""Where content lies."""


def content_of(file: FileInfo) -> Content:
    return file.sha256, file.size


def load_source(store: ObjectStore, name: Name, info: VersionInfo) -> Manifest | None:
    """A version's manifest, or None when it is damaged: then it is no source of content."""
    try:
        return load_manifest(store, name, info.version, info.manifest)
    except (IntegrityError, InvalidManifestError):
        return None


def find_stored(
    store: ObjectStore,
    name: Name,
    known: list[VersionInfo],
    latest: Manifest | None,
    files: Iterable[FileInfo],
    index: Path | None,
) -> Placed:
    """Where the content of these files lies, as far as a live version has it.

    Only verified manifests of live versions say so; the index says which of them to look into.

    Args:
        store: the bucket, with keys that read the name.
        name: the name.
        known: its live commits, newest first.
        latest: the manifest of the newest.
        files: what is wanted.
        index: where the index of the name is kept; None for nowhere.
    """
    missing = {content_of(file) for file in files}
    placed = _take(latest, missing) if latest else {}
    missing -= placed.keys()
    if not missing or all(info.version == known[0].version for info in known):
        return placed
    hints = content_hints(sha256 for sha256, _ in missing)
    by_hint = dict(zip(hints, missing, strict=True))
    where = hinted_versions(store, name, known, by_hint.keys(), index)
    for info in known:  # a tree that is restored is found whole in the newest version that added
        wanted = {by_hint[hint] for hint in where.pop(info.version, ())} & missing
        source = load_source(store, name, info) if wanted else None
        if source:
            found = _take(source, missing)
            placed |= found
            missing -= found.keys()
    return placed


def added_to(base: VersionInfo, before: Manifest, manifest: Manifest) -> Added:
    """What a version's manifest lists that the manifest of its base does not."""
    known = content_hints(before.table["sha256"].to_pylist())
    contents = frozenset(content_hints(manifest.table["sha256"].to_pylist()))
    return Added(base.version, contents.difference(known))


def _take(manifest: Manifest, wanted: set[Content]) -> Placed:
    digests = pa.array([sha256 for sha256, _ in wanted], pa.string())
    table = manifest.table
    having = Manifest(table.filter(pc.is_in(table["sha256"], value_set=digests)))
    return {content_of(file): file.extents for file in having if content_of(file) in wanted}
