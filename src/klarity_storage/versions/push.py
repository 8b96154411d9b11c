"""Upload a local tree and commit it as a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest, VersionInfo
from klarity_storage.versions.chunks import listing_chunks, upload_changed
from klarity_storage.versions.content_index import LISTED_FROM, write_added
from klarity_storage.versions.digests import Hashed, hash_all
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import Manifest
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.scan import scan_tree
from klarity_storage.versions.stored import (
    Placed,
    added_to,
    content_of,
    find_stored,
    load_source,
)
from klarity_storage.versions.upload import upload_files


class PushTarget(Protocol):
    """Where a push goes: a bucket in this process, or a server and its engine."""

    def versions(self, name: Name) -> list[VersionInfo]:
        """The commits of a name, newest first; none where there is no such name."""

    def reading_store(self, name: Name) -> ObjectStore:
        """The bucket, with keys that read a name."""

    def writing_store(self, name: Name, version: str) -> ObjectStore:
        """The bucket, with keys that write one version's folder."""

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo:
        """Make what is uploaded a version."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a commit says of itself."""

    message: str = ""
    parents: Sequence[str] | None = None
    """Version hashes; the latest version with None."""
    lineage: Sequence[str] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def push_tree(
    target: PushTarget,
    name: Name,
    source: Path,
    description: Description,
    *,
    progress: OnProgress | None = None,
    content_index: Path | None = None,
) -> VersionInfo:
    """Push a file or folder, and return the version that it is.

    Content that is already the latest is not committed again; content of an older version is
    committed again without an upload; a file that any version has is not uploaded.

    Args:
        target: where it goes.
        name: what it becomes a version of.
        source: the file or folder.
        description: what the commit says.
        progress: called while the push runs.
        content_index: the file that keeps which version has what; None to ask storage each time.

    Raises:
        InvalidPathError: a file name or link cannot be stored.
        SourceChangedError: a file changed meanwhile; nothing is committed.
        ForbiddenError: the caller may not write here, or a file cannot be read.
    """
    files = hash_all(scan_tree(source), progress)
    version = Manifest.of(file for _, file in files).version_hash()
    known = target.versions(name)
    if known and known[0].version == version:
        return known[0]
    manifest = _committed_manifest(known, version)
    try:
        manifest = manifest or _upload(
            target, name, version, files, known, progress=progress, content_index=content_index
        )
    except StorageError:
        # a folder is closed once its version is committed: perhaps by another push of the same
        manifest = _committed_manifest(target.versions(name), version)
        if not manifest:
            raise
    parents = description.parents
    return target.commit(
        name,
        CommitRequest(
            version=version,
            manifest=manifest,
            write_id=uuid4().hex,
            message=description.message,
            parents=list(parents if parents is not None else [info.version for info in known[:1]]),
            lineage=list(description.lineage),
            metadata=description.metadata,
        ),
    )


def _committed_manifest(known: list[VersionInfo], version: str) -> str | None:
    return next((info.manifest for info in known if info.version == version), None)


def _upload(
    target: PushTarget,
    name: Name,
    version: str,
    files: list[Hashed],
    known: list[VersionInfo],
    *,
    progress: OnProgress | None,
    content_index: Path | None,
) -> str:
    """Upload what is new and the manifest; return the manifest's name."""
    reading = target.reading_store(name) if known else None
    base = known[0] if known else None
    latest = load_source(reading, name, base) if reading and base else None
    placed: Placed = {}
    if reading:
        wanted = [file for _, file in files]
        placed = find_stored(reading, name, known, latest, wanted, content_index)
    store = target.writing_store(name, version)
    fresh = {content_of(item[1]): item for item in reversed(files)}  # each content once
    new = [item for content, item in fresh.items() if content not in placed]
    changed: Placed = {}
    if reading and latest:
        changed = upload_changed(
            reading, store, name, version, known=known, latest=latest, new=new, progress=progress
        )
    placed |= changed
    whole = [item for item in new[::-1] if content_of(item[1]) not in changed]
    if whole or not changed:  # a phase of nothing behind one of something would be told last
        with listing_chunks(store, name, version, whole):
            placed |= upload_files(store, name, version, whole, progress)
    manifest = Manifest.of(replace(file, extents=placed[content_of(file)]) for _, file in files)
    file_name, data = manifest.encode()
    if base and latest and len(manifest) >= LISTED_FROM:
        write_added(store, name, version, file_name, added_to(base, latest, manifest))
    with told_as_ours(f"the manifest of {name}"):
        store.put(name.manifest_key(version, file_name), data)
    return file_name
