"""Make uploaded files a version: check the manifest, then append to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec
from obstore.store import ObjectStore

from klarity_storage.errors import (
    IntegrityError,
    InvalidInputError,
    InvalidManifestError,
    NotFoundError,
    PurgedError,
)
from klarity_storage.layout import Name, Reference, check_hash, manifest_object
from klarity_storage.protocol.log import Commit, StoredObject
from klarity_storage.protocol.versions import CommitRequest, VersionInfo
from klarity_storage.versions.append import append_action
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.history import History, read_history
from klarity_storage.versions.manifest import fetch_manifest

MAX_METADATA_BYTES = 64 * 1024
"""Of a commit's metadata, message and lineage together, as JSON."""

_HEAD_RATHER_THAN_LIST = 16

Admit = Callable[[int, int], None]
"""Told the bytes and objects that a commit adds to storage, before it is one; may raise."""


def commit_version(
    store: ObjectStore,
    name: Name,
    request: CommitRequest,
    *,
    by: str,
    stable_etags: bool,
    history: History | None = None,
    admit: Admit | None = None,
    check: Callable[[History], None] | None = None,
) -> VersionInfo:
    """Append a commit, or return the one that stands already.

    Content that is already the latest is not committed again, unless it is to be shown another way.

    Args:
        store: the bucket, with keys that read all of the name and write its log.
        name: what to commit to.
        request: what to commit; its files and manifest are uploaded.
        by: who asks: ``user:alice``.
        stable_etags: whether ETags are worth keeping.
        history: what is known of the name, to read only what is newer.
        admit: asked once whether there is room for what the commit adds.
        check: told the history that the commit is about to be appended to; may raise.

    Raises:
        InvalidManifestError: the manifest is missing, its hash is not the version's, an extent does
            not lie inside an object of this name, or an overlay lies on no image of the version.
        InvalidInputError: parents, lineage or metadata cannot be kept.
        PurgedError: what it points at was purged as garbage: upload it again.
        ConflictError: too many others committed at the same time.
    """
    history = read_history(store, name, history)
    _check_request(request, history)
    checked: list[Commit] = []

    def action_for(history: History) -> Commit | None:
        latest = history.latest()
        if latest and latest.version == request.version and not _shown_anew(latest, request):
            return None
        if check is not None:
            check(history)
        if not checked:  # the manifest does not change while others commit
            commit, size = _checked(store, history, request, by=by, stable_etags=stable_etags)
            if admit is not None:
                admit(*_adds(history, commit, size))
            checked.append(commit)
        _refuse_purged(history, checked[0].manifest_key, *(o.key for o in checked[0].objects))
        return checked[0]

    return append_action(store, history, action_for).resolve(request.version)


def _shown_anew(latest: VersionInfo, request: CommitRequest) -> bool:
    return request.redisplay and latest.manifest != request.manifest


def _checked(
    store: ObjectStore, history: History, request: CommitRequest, *, by: str, stable_etags: bool
) -> tuple[Commit, int]:
    """The commit, and the size of its manifest."""
    _refuse_purged(history, manifest_object(request.version, request.manifest))
    try:
        return _action(store, history, request, by=by, stable_etags=stable_etags)
    except InvalidManifestError:
        now = read_history(store, history.name, history)
        if len(now.purged) > len(history.purged):  # what is missing may have been there before
            raise PurgedError(
                f"Garbage of {history.name} was purged while its manifest was checked.",
                hint="Push again.",
            ) from None
        raise


def _adds(history: History, commit: Commit, manifest: int) -> tuple[int, int]:
    """The bytes and objects that nothing before has: a folder is closed as soon as it counted."""
    if commit.manifest_key[:64] in history.closed:
        return 0, 0
    new = [stored.size for stored in commit.objects if stored.key[:64] not in history.closed]
    return sum(new) + manifest, len(new) + 1


def _refuse_purged(history: History, *keys: str) -> None:
    """Refuse keys that a purge names, whether they are deleted yet or not.

    An object leaves storage only after a purge that names it, and an entry is appended behind every
    purge that was looked at here: so what is committed is never deleted (see design/005).
    """
    if not history.purged.isdisjoint(keys):
        raise PurgedError(
            f"Objects that the manifest of {history.name} points at were purged as garbage.",
            hint="Push again.",
        )


def _check_request(request: CommitRequest, history: History) -> None:
    check_hash(request.version)
    for reference in request.lineage:
        Reference.parse(reference)
    for parent in request.parents:
        if parent not in history.ever_committed:  # a parent may have been deleted since
            raise InvalidInputError(
                f"{history.name} has no version {parent!r} to be a parent.",
                hint=f"ks log {history.name} lists its versions.",
            )
    size = len(msgspec.json.encode([request.metadata, request.message, request.lineage]))
    if size > MAX_METADATA_BYTES:
        raise InvalidInputError(
            f"Message, lineage and metadata have {size} bytes, more than {MAX_METADATA_BYTES}.",
            hint="Push large metadata as a file of the version.",
        )


def _action(
    store: ObjectStore, history: History, request: CommitRequest, *, by: str, stable_etags: bool
) -> tuple[Commit, int]:
    from klarity_storage.versions.survey import survey_manifest  # noqa: PLC0415 - Arrow's compute

    try:
        data = fetch_manifest(store, history.name, request.version, request.manifest)
    except IntegrityError as error:  # before its commit that is the caller's fault, not storage's
        raise InvalidManifestError(error.message, hint="Push again.") from error
    found = survey_manifest(data, f"The manifest of {history.name}@{request.version[:12]}")
    if found.version != request.version:
        raise InvalidManifestError(
            f"The manifest's files have the hash {found.version[:12]}, not {request.version[:12]}."
        )
    commit = Commit(
        at=datetime.now(UTC),
        by=by,
        write_id=request.write_id,
        version=request.version,
        manifest=request.manifest,
        footer=found.footer,
        files=found.files,
        bytes=found.bytes,
        objects=_check_objects(store, history, found.ends, stable_etags=stable_etags),
        message=request.message,
        parents=request.parents,
        lineage=request.lineage,
        metadata=request.metadata,
    )
    return commit, len(data)


def _check_objects(
    store: ObjectStore, history: History, ends: dict[str, int], *, stable_etags: bool
) -> list[StoredObject]:
    """What the extents name, each found in storage and long enough."""
    name = history.name
    _refuse_purged(history, *ends)
    found = _find_objects(store, name, ends)
    for key, end in ends.items():
        if key not in found:
            raise InvalidManifestError(
                f"The object {key!r} of {name} is not in storage.", hint="Push again."
            )
        if found[key].size < end:
            raise InvalidManifestError(
                f"An extent ends at byte {end} of {key!r}, which has {found[key].size}.",
                hint="Push again.",
            )
    return [
        found[key] if stable_etags else StoredObject(key=key, size=found[key].size)
        for key in sorted(ends)
    ]


def _find_objects(store: ObjectStore, name: Name, keys: Iterable[str]) -> dict[str, StoredObject]:
    """The objects that exist, by one LIST a folder, or a HEAD each where they are few."""
    folders: dict[str, list[str]] = {}
    for key in keys:
        folders.setdefault(key.partition("/")[0], []).append(key)
    found: dict[str, StoredObject] = {}
    for folder, wanted in folders.items():
        if len(wanted) <= _HEAD_RATHER_THAN_LIST:
            found |= _head_objects(store, name, wanted)
        else:
            found |= _list_objects(store, name, folder)
    return found


def _head_objects(store: ObjectStore, name: Name, keys: list[str]) -> dict[str, StoredObject]:
    found = {}
    for key in keys:
        try:
            with told_as_ours(f"the object {key!r} of {name}"):
                meta = store.head(name.object_key(key))
        except NotFoundError:
            continue
        found[key] = StoredObject(key=key, size=meta["size"], etag=meta["e_tag"])
    return found


def _list_objects(store: ObjectStore, name: Name, folder: str) -> dict[str, StoredObject]:
    found = {}
    with told_as_ours(f"the objects of {name}@{folder[:12]}"):
        for page in store.list(name.version_prefix(folder)):
            for meta in page:
                key = meta["path"].removeprefix(name.prefix)
                found[key] = StoredObject(key=key, size=meta["size"], etag=meta["e_tag"])
    return found
