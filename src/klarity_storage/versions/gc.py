"""Collect garbage: find what no version refers to, say so in the log, and only then delete it.

Why this never deletes what a version needs: design/005-garbage.md.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import NotFoundError
from klarity_storage.layout import RESERVED_SEGMENT, THUMBNAILS_FOLDER, Name
from klarity_storage.protocol.log import Commit, Purge
from klarity_storage.protocol.versions import Garbage, GarbageObject
from klarity_storage.versions.append import append_action
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.history import History, read_history

GRACE: Final = timedelta(days=1)
MAX_OBJECTS: Final = 10_000
"""That one call deletes, and one entry of the log names."""

_BULK = 1000
_THUMBNAIL = re.compile(rf"{THUMBNAILS_FOLDER}/([0-9a-f]{{64}})/.")
_OURS = re.compile(rf"[0-9a-f]{{64}}/.|{_THUMBNAIL.pattern}")
_COMPANION = re.compile(rf"[0-9a-f]{{64}}/{RESERVED_SEGMENT}/(?!manifest-|pack-)")


class Upload(NamedTuple):
    """A multipart upload that is not complete."""

    key: str
    """The whole key in the bucket."""
    id: str
    started: datetime


class Uploads(Protocol):
    """The multipart uploads of a bucket."""

    def under(self, prefix: str) -> Iterable[Upload]: ...
    def size(self, upload: Upload) -> int: ...
    def abort(self, upload: Upload) -> None: ...


def collect_garbage(
    store: ObjectStore,
    name: Name,
    *,
    by: str,
    grace: timedelta = GRACE,
    dry_run: bool = True,
    history: History | None = None,
    uploads: Uploads | None = None,
    now: datetime | None = None,
) -> Garbage:
    """List the objects of a name that no version refers to, and delete them unless ``dry_run``.

    Args:
        store: the bucket, with keys that write the name's log and delete its objects.
        name: whose garbage.
        by: who asks: ``user:alice``.
        grace: what was written, or whose version was deleted, within it is left alone.
        dry_run: only list.
        history: what is known of the name, to read only what is newer.
        uploads: where multipart uploads that were killed can be seen; None to leave them alone.
        now: the time that the grace is counted back from.

    Returns:
        What is garbage; without ``dry_run`` what was deleted, at most ``MAX_OBJECTS`` in a call.
    """
    since = (now or datetime.now(UTC)) - grace if grace else None
    history = read_history(store, name, history)
    dead, young = _find(store, history, since)
    items = dead[:MAX_OBJECTS]
    room = MAX_OBJECTS - len(items)
    if not dry_run and items:
        items = _purge(store, history, items, by=by, since=since)
    open_uploads = list(uploads.under(name.prefix)) if uploads else []
    left = [upload for upload in open_uploads if since is None or upload.started <= since]
    parts = _parts(uploads, left[:room], dry_run) if uploads else []
    counted = [*(dead if dry_run else items), *parts]
    items = [*items, *parts]
    return Garbage(
        dry_run=dry_run,
        objects=len(counted),
        bytes=sum(item.size for item in counted),
        items=items[:MAX_OBJECTS],
        more=len(dead) + len(left) > MAX_OBJECTS,
        young=young + len(open_uploads) - len(left),
    )


def _parts(uploads: Uploads, left: list[Upload], dry_run: bool) -> list[GarbageObject]:
    """What uploads hold that were left; no version can refer to it, so the log need not know."""
    found = []
    for upload in left:
        size = uploads.size(upload)
        if not dry_run:
            uploads.abort(upload)
        found.append(
            GarbageObject(key=upload.key, size=size, modified=upload.started, reason="upload")
        )
    return found


@dataclass(frozen=True, slots=True)
class Referred:
    """The objects that commits refer to; ask with ``in``."""

    objects: frozenset[str]
    folders: frozenset[str]
    """Where manifests lie: what is beside one, and neither manifest nor pack, belongs to it."""
    drawn: frozenset[str]
    """Where any object lies: thumbnails of what is there are kept."""

    @classmethod
    def by(cls, commits: Iterable[Commit]) -> Referred:
        commits = list(commits)
        manifests = {commit.manifest_key for commit in commits}
        objects = {stored.key for commit in commits for stored in commit.objects}
        return cls(
            frozenset(objects | manifests),
            frozenset(key[:64] for key in manifests),
            frozenset(key[:64] for key in objects),
        )

    def __contains__(self, key: str) -> bool:
        if thumbnail := _THUMBNAIL.match(key):
            return thumbnail[1] in self.drawn
        return key in self.objects or (key[:64] in self.folders and bool(_COMPANION.match(key)))


def _find(
    store: ObjectStore, history: History, since: datetime | None
) -> tuple[list[GarbageObject], int]:
    """The objects that are garbage, by key, and how many more will be when they are older."""
    live, spared = Referred.by(history.commits.values()), _deleted_since(history, since)
    deleted = Referred.by(entry.commit for entry in history.deleted.values())
    dead, young = [], 0
    for key, meta in _objects(store, history):
        if key in live:
            continue
        # what a purge has named already is only what a purge that was stopped has left
        recent = since is not None and (meta["last_modified"] > since or key in spared)
        if recent and key not in history.purged:
            young += 1
            continue
        dead.append(
            GarbageObject(
                key=meta["path"],
                size=meta["size"],
                modified=meta["last_modified"],
                reason="deleted" if key in deleted else "unfinished",
            )
        )
    return sorted(dead, key=lambda item: item.key), young


def _objects(store: ObjectStore, history: History) -> Iterator[tuple[str, Any]]:
    """What lies in the folders of versions, by its key relative to the name's prefix."""
    name = history.name
    with told_as_ours(f"the objects of {name}"):
        for page in store.list(name.prefix):
            for meta in page:
                key = meta["path"].removeprefix(name.prefix)
                if _OURS.match(key):
                    yield key, meta


def _deleted_since(history: History, since: datetime | None) -> Referred:
    """What a push that began before the deletion may point at."""
    return Referred.by(
        entry.commit for entry in history.deleted.values() if since is not None and entry.at > since
    )


def _purge(
    store: ObjectStore,
    history: History,
    items: list[GarbageObject],
    *,
    by: str,
    since: datetime | None,
) -> list[GarbageObject]:
    """Name in the log what is garbage as the log stands there, then delete what the log names.

    Thumbnails are not named: they are drawn again when somebody asks for one.
    """
    keys = [item.key.removeprefix(history.name.prefix) for item in items]

    def action(history: History) -> Purge | None:
        live, spared = Referred.by(history.commits.values()), _deleted_since(history, since)
        named = [
            key
            for key in keys
            if key not in live
            and key not in spared
            and key not in history.purged
            and not _THUMBNAIL.match(key)
        ]
        if not named:
            return None
        return Purge(at=datetime.now(UTC), by=by, write_id=write_id, objects=named)

    write_id = uuid4().hex
    purged = append_action(store, history, action).purged
    gone = [
        item
        for key, item in zip(keys, items, strict=True)
        if key in purged or _THUMBNAIL.match(key)
    ]
    _delete(store, history, [item.key for item in gone])
    return gone


def _delete(store: ObjectStore, history: History, paths: list[str]) -> None:
    for start in range(0, len(paths), _BULK):
        bulk = paths[start : start + _BULK]
        try:
            _delete_all(store, history, bulk)
        except NotFoundError:  # a directory says so, and another purge may have been faster
            for path in bulk:
                _delete_if_there(store, history, path)


def _delete_all(store: ObjectStore, history: History, paths: list[str]) -> None:
    with told_as_ours(f"the garbage of {history.name}"):
        store.delete(paths)


def _delete_if_there(store: ObjectStore, history: History, path: str) -> None:
    with contextlib.suppress(NotFoundError):
        _delete_all(store, history, [path])
