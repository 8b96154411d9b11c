"""Upload a local tree and commit it as a version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.versions import CommitRequest, VersionInfo
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import digest_bytes, digest_file, source_changed
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest, load_manifest
from klarity_storage.versions.media_types import media_type
from klarity_storage.versions.progress import Meter, OnProgress
from klarity_storage.versions.scan import SourceFile, scan_tree
from klarity_storage.versions.workers import run_all

WORKERS: Final = 16
_WHOLE = 8 * 1024 * 1024
_PART = 8 * 1024 * 1024
_PARTS_AT_ONCE = 3


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
) -> VersionInfo:
    """Push a file or folder, and return the version that it is.

    Content that is already the latest is not committed again; content of an older version is
    committed again without an upload; a file that the latest version has is not uploaded.

    Raises:
        InvalidPathError: a file name or link cannot be stored.
        SourceChangedError: a file changed meanwhile; nothing is committed.
        ForbiddenError: the caller may not write here, or a file cannot be read.
    """
    files = _hash_all(scan_tree(source), progress)
    version = Manifest.of(file for _, file in files).version_hash()
    known = target.versions(name)
    if known and known[0].version == version:
        return known[0]
    manifest = _committed_manifest(known, version)
    try:
        manifest = manifest or _upload(target, name, version, files, known[:1], progress)
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


Hashed = tuple[SourceFile, FileInfo]


def _hash_all(sources: list[SourceFile], progress: OnProgress | None) -> list[Hashed]:
    """Each file with its digest; its extents are not known yet."""
    meter = Meter("hashing", sum(file.size for file in sources), len(sources), progress)

    def hash_one(source: SourceFile) -> Hashed:
        digest = digest_file(source.file)
        meter.advance(digest.size, files=1)
        kind = media_type(source.path)
        return source, FileInfo(source.path, digest.size, digest.sha256, kind, ())

    return run_all(hash_one, sources, workers=WORKERS)


def _upload(
    target: PushTarget,
    name: Name,
    version: str,
    files: list[Hashed],
    latest: list[VersionInfo],
    progress: OnProgress | None,
) -> str:
    """Upload what is new and the manifest; return the manifest's name."""
    stored = _stored(target.reading_store(name), name, latest[0]) if latest else {}
    store = target.writing_store(name, version)
    fresh = [item for item in files if (item[1].sha256, item[1].size) not in stored]
    meter = Meter("uploading", sum(file.size for _, file in fresh), len(fresh), progress)
    run_all(lambda item: _upload_file(store, name, version, item, meter), fresh, workers=WORKERS)
    name_of_manifest, data = Manifest.of(
        _with_extents(file, stored.get((file.sha256, file.size)), version) for _, file in files
    ).encode()
    with told_as_ours(f"the manifest of {name}"):
        store.put(name.manifest_key(version, name_of_manifest), data)
    return name_of_manifest


def _stored(
    store: ObjectStore, name: Name, info: VersionInfo
) -> dict[tuple[str, int], tuple[Extent, ...]]:
    """Where the content of a version's files lies, by SHA-256 and size."""
    manifest = load_manifest(store, name, info.version, info.manifest)
    return {(file.sha256, file.size): file.extents for file in manifest}


def _with_extents(file: FileInfo, stored: tuple[Extent, ...] | None, version: str) -> FileInfo:
    extents = stored or (Extent(f"{version}/{file.path}", 0, file.size),)
    return FileInfo(file.path, file.size, file.sha256, file.media_type, extents)


def _upload_file(store: ObjectStore, name: Name, version: str, item: Hashed, meter: Meter) -> None:
    """Upload a file, making sure that what goes up is what was hashed."""
    source, file = item
    key = name.object_key(f"{version}/{file.path}")
    with told_as_ours(f"the file {file.path!r}"):
        if file.size <= _WHOLE:
            data = source.file.read_bytes()
            if digest_bytes(data).sha256 != file.sha256:
                raise source_changed(source.file)
            store.put(key, data, use_multipart=False)
            meter.advance(file.size)
        else:
            parts = _verified_parts(source.file, file.sha256, meter)
            store.put(key, parts, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
    meter.advance(0, files=1)


def _verified_parts(file: Path, sha256: str, meter: Meter) -> Iterator[bytes]:
    """A file's bytes in parts; the last one is withheld, and the upload fails, on a change."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        held = b""
        while part := stream.read(_PART):
            digest.update(part)
            if held:
                yield held
            held = part
            meter.advance(len(part))
        if digest.hexdigest() != sha256:
            raise source_changed(file)
        yield held
