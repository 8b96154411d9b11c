"""Upload a local tree and commit it as a version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from msgspec.structs import replace
from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError, PurgedError, StorageError
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import Adding
from klarity_storage.protocol.versions import CommitRequest, UploadPlace, VersionInfo
from klarity_storage.versions.chunks import PACK as CHANGED_PACK
from klarity_storage.versions.chunks import Changed, plan_changed, upload_changed
from klarity_storage.versions.content_index import LISTED_FROM, write_added
from klarity_storage.versions.cutting import Cuts
from klarity_storage.versions.digests import Hashed, hash_all
from klarity_storage.versions.display import Display, check_display, display_of, with_display
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.hashing import version_hash
from klarity_storage.versions.manifest import Manifest, load_manifest
from klarity_storage.versions.packs import plan_packs
from klarity_storage.versions.parts import LARGEST, PART
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.scan import scan_tree
from klarity_storage.versions.stat_index import StatIndex
from klarity_storage.versions.stored import (
    Placed,
    added_to,
    content_of,
    find_stored,
    load_source,
)
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

    def writing_store(self, name: Name, folder: str, adding: Adding | None = None) -> ObjectStore:
        """The bucket, with keys that write one folder of a version, to which so much is added.

        Raises:
            QuotaError: there is no room for it.
        """

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo:
        """Make what is uploaded a version."""


Beside = Callable[[ObjectStore, str, str], None]
"""Writes what belongs beside a manifest: told the bucket, the version's folder and the manifest's
file name. It is not asked where everything is in storage already."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a commit says of itself."""

    message: str = ""
    parents: Sequence[str] | None = None
    """Version hashes; the latest version with None."""
    lineage: Sequence[str] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    display: Display | None = None
    """How its files are shown; with None as the same content was shown before, if it was."""


def push_tree(
    target: PushTarget,
    name: Name,
    source: Path,
    description: Description,
    *,
    progress: OnProgress | None = None,
    stat_index: StatIndex | None = None,
    content_index: Path | None = None,
    beside: Beside | None = None,
) -> VersionInfo:
    """Push a file or folder, and return the version that it is.

    Content that is already the latest is not committed again, unless it is shown another way now.
    Content of an older version, or of one that was deleted and not purged, is committed again
    without an upload. A file that any version has is not uploaded.

    Args:
        target: where it goes.
        name: what it becomes a version of.
        source: the file or folder.
        description: what the commit says.
        progress: called while the push runs.
        stat_index: what the files were at the last push; None to read every file.
        content_index: the file that keeps which version has what; None to ask storage each time.
        beside: writes what belongs beside the manifest.

    Raises:
        InvalidPathError: a file name or link cannot be stored.
        InvalidInputError: what is to be shown is not there, or an overlay lies on no image.
        SourceChangedError: a file changed meanwhile; nothing is committed.
        ForbiddenError: the caller may not write here, or a file cannot be read.
        QuotaError: what is new does not fit into the space; nothing was uploaded.
    """
    cuts = Cuts()
    files = hash_all(scan_tree(source), progress, stat_index, cuts)
    version = version_hash(file for _, file in files)
    display = description.display
    if display:
        check_display(display, [file.path for _, file in files])
    for _ in range(_ATTEMPTS):
        known = target.versions(name)
        if known and known[0].version == version and display is None:
            return known[0]
        push = _Push(
            target, name, version, files, cuts, known, display, progress, content_index, beside
        )
        manifest = _place(push)
        if manifest is None:
            continue
        try:
            return target.commit(name, _request(version, manifest, description, known))
        except PurgedError:  # what was pointed at is gone: it goes up again
            continue
    raise ConflictError(
        f"Others changed {name} {_ATTEMPTS} times while this was pushed.", hint="Push again."
    )


@dataclass(frozen=True, slots=True)
class _Push:
    """What one attempt goes by."""

    target: PushTarget
    name: Name
    version: str
    files: list[Hashed]
    cuts: Cuts
    known: list[VersionInfo]
    display: Display | None
    progress: OnProgress | None
    content_index: Path | None
    beside: Beside | None


def _request(
    version: str, manifest: str, description: Description, known: list[VersionInfo]
) -> CommitRequest:
    parents = description.parents
    if parents is None:
        again = known and known[0].version == version  # it is shown another way
        parents = known[0].parents if again else [info.version for info in known[:1]]
    return CommitRequest(
        version=version,
        manifest=manifest,
        write_id=uuid4().hex,
        message=description.message,
        parents=list(parents),
        lineage=list(description.lineage),
        metadata=description.metadata,
        redisplay=description.display is not None,
    )


def _place(push: _Push) -> str | None:
    """The manifest to commit, after uploading what is not there; None to look again."""
    target, name, version = push.target, push.name, push.version
    place = target.place(name, version)
    folder = place.folder or version
    try:
        if place.manifest is not None:
            manifest = _shown_anew(push, folder, place.manifest)
            if manifest is None:
                return place.manifest
        else:
            manifest = _upload(push, folder)
    except StorageError:
        # the same content may have been committed, or what this one points at deleted, meanwhile
        if target.versions(name) == push.known and target.place(name, version) == place:
            raise
        return None
    return manifest if folder == version else f"{folder}/{manifest}"


def _shown_anew(push: _Push, folder: str, standing: str) -> str | None:
    """Upload the manifest that stands with another display; None where it has this one."""
    if push.display is None:
        return None
    target, name, version = push.target, push.name, push.version
    manifest = load_manifest(target.reading_store(name), name, version, standing)
    if display_of(manifest) == push.display:
        return None
    file_name, data = with_display(manifest, push.display).encode()
    store = target.writing_store(name, folder, Adding(bytes=len(data), objects=1))
    _put_manifest(store, name, folder, file_name, data)
    return file_name


def _adding(whole: list[Hashed], changed: Changed | None) -> Adding:
    """What goes up, nearly: lists of chunks are not counted, nor the manifest's bytes."""
    partial = changed.bytes if changed is not None else 0
    packs, plain = plan_packs(whole)
    parts = sum(-(-item[1].size // PART) if item[1].size > LARGEST else 1 for item in plain)
    return Adding(
        bytes=partial + sum(item[1].size for item in whole),
        objects=len(packs) + parts + -(-partial // CHANGED_PACK) + 1,
    )


def _upload(push: _Push, folder: str) -> str:
    """Upload what is new and the manifest into a folder; return the manifest's name."""
    target, name, files, known = push.target, push.name, push.files, push.known
    reading = target.reading_store(name) if known else None
    base = known[0] if known else None
    latest = load_source(reading, name, base) if reading and base else None
    placed: Placed = {}
    if reading:
        wanted = [file for _, file in files]
        placed = find_stored(reading, name, known, latest, wanted, push.content_index)
    fresh = {content_of(item[1]): item for item in reversed(files)}  # each content once
    new = [item for content, item in fresh.items() if content not in placed]
    changed = None
    if reading and latest:
        changed = plan_changed(reading, name, known, latest, new, push.cuts)
    whole = [item for item in new[::-1] if changed is None or item not in changed]
    store = target.writing_store(name, folder, _adding(whole, changed))
    if changed is not None:
        placed |= upload_changed(store, name, folder, changed, push.progress)
    if (
        whole or changed is None or not changed.plans
    ):  # a phase of nothing behind one of something would be told last
        placed |= upload_files(store, name, folder, whole, push.cuts, push.progress)
    manifest = Manifest.of(replace(file, extents=placed[content_of(file)]) for _, file in files)
    if push.display:
        manifest = with_display(manifest, push.display)
    file_name, data = manifest.encode()
    if base and latest and len(manifest) >= LISTED_FROM:
        write_added(store, name, folder, file_name, added_to(base, latest, manifest))
    if push.beside is not None:
        push.beside(store, folder, file_name)
    _put_manifest(store, name, folder, file_name, data)
    return file_name


def _put_manifest(store: ObjectStore, name: Name, folder: str, file_name: str, data: bytes) -> None:
    with told_as_ours(f"the manifest of {name}"):
        store.put(name.manifest_key(folder, file_name), data)
