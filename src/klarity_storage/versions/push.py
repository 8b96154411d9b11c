"""Upload a local tree and commit it as a version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError, PurgedError, StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest, UploadPlace, VersionInfo
from klarity_storage.versions.digests import Hashed, hash_all
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import Manifest
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.scan import scan_tree
from klarity_storage.versions.stored import content_of, find_stored
from klarity_storage.versions.upload import upload_files

_ATTEMPTS: Final = 10
"""How often a push goes on where others delete and purge what it points at."""


class PushTarget(Protocol):
    """Where a push goes: a bucket in this process, or a server and its engine."""

    def versions(self, name: Name) -> list[VersionInfo]:
        """The commits of a name, newest first; none where there is no such name."""

    def place(self, name: Name, version: str) -> UploadPlace:
        """Where content that no version has goes, or the manifest of a version that is there."""

    def reading_store(self, name: Name) -> ObjectStore:
        """The bucket, with keys that read a name."""

    def writing_store(self, name: Name, folder: str) -> ObjectStore:
        """The bucket, with keys that write one folder of a version."""

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
) -> VersionInfo:
    """Push a file or folder, and return the version that it is.

    Content that is already the latest is not committed again. Content of an older version, or of
    one that was deleted and not purged, is committed again without an upload. A file that the
    latest version has is not uploaded.

    Raises:
        InvalidPathError: a file name or link cannot be stored.
        SourceChangedError: a file changed meanwhile; nothing is committed.
        ForbiddenError: the caller may not write here, or a file cannot be read.
    """
    files = hash_all(scan_tree(source), progress)
    version = Manifest.of(file for _, file in files).version_hash()
    for _ in range(_ATTEMPTS):
        known = target.versions(name)
        if known and known[0].version == version:
            return known[0]
        manifest = _place(target, name, version, files, known, progress)
        if manifest is None:
            continue
        try:
            return target.commit(name, _request(version, manifest, description, known))
        except PurgedError:  # what was pointed at is gone: it goes up again
            continue
    raise ConflictError(
        f"Others changed {name} {_ATTEMPTS} times while this was pushed.", hint="Push again."
    )


def _request(
    version: str, manifest: str, description: Description, known: list[VersionInfo]
) -> CommitRequest:
    parents = description.parents
    return CommitRequest(
        version=version,
        manifest=manifest,
        write_id=uuid4().hex,
        message=description.message,
        parents=list(parents if parents is not None else [info.version for info in known[:1]]),
        lineage=list(description.lineage),
        metadata=description.metadata,
    )


def _place(
    target: PushTarget,
    name: Name,
    version: str,
    files: list[Hashed],
    known: list[VersionInfo],
    progress: OnProgress | None,
) -> str | None:
    """The manifest to commit, after uploading what is not there; None to look again."""
    place = target.place(name, version)
    if place.manifest is not None:
        return place.manifest
    folder = place.folder or version
    try:
        manifest = _upload(target, name, folder, files, known, progress)
    except StorageError:
        # the same content may have been committed, or what this one points at deleted, meanwhile
        if target.versions(name) == known and target.place(name, version) == place:
            raise
        return None
    return manifest if folder == version else f"{folder}/{manifest}"


def _upload(
    target: PushTarget,
    name: Name,
    folder: str,
    files: list[Hashed],
    known: list[VersionInfo],
    progress: OnProgress | None,
) -> str:
    """Upload what is new and the manifest into a folder; return the manifest's name."""
    placed = find_stored(target.reading_store(name), name, known, files) if known else {}
    store = target.writing_store(name, folder)
    fresh = {content_of(item[1]): item for item in reversed(files)}  # each content once
    new = [item for content, item in fresh.items() if content not in placed]
    placed |= upload_files(store, name, folder, new[::-1], progress)
    manifest, data = Manifest.of(
        replace(file, extents=placed[content_of(file)]) for _, file in files
    ).encode()
    with told_as_ours(f"the manifest of {name}"):
        store.put(name.manifest_key(folder, manifest), data)
    return manifest
