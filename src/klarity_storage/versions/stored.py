"""Content that storage has already: it is pointed at, not uploaded again."""

from __future__ import annotations

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.manifest import Extent, FileInfo, load_manifest

Content = tuple[str, int]
"""A file's bytes, by SHA-256 and size."""

Placed = dict[Content, tuple[Extent, ...]]
"""Where content lies."""


def content_of(file: FileInfo) -> Content:
    return file.sha256, file.size


def find_stored(
    store: ObjectStore, name: Name, known: list[VersionInfo], files: list[Hashed]
) -> Placed:
    """Where the content of these files lies, as far as the latest version has it.

    ``known`` is the history of the name, newest first, with one commit at least.
    """
    latest = known[0]
    manifest = load_manifest(store, name, latest.version, latest.manifest)
    wanted = {content_of(file) for _, file in files}
    return {content_of(file): file.extents for file in manifest if content_of(file) in wanted}
