"""The releases of a deployment, as the log of its name tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from klarity_storage.errors import (
    InvalidReferenceError,
    StorageError,
    VersionNotFoundError,
)
from klarity_storage.layout import MIN_HASH_PREFIX, Name, Reference, check_hash
from klarity_storage.protocol.log import Commit
from klarity_storage.protocol.web import DOCUMENT, Document, Release, deployment_of
from klarity_storage.versions.hashing import digest_bytes, version_hash
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest import FileInfo

AGAIN: Final = "rollback_to"
"""The key in a commit's metadata that says which entry of the log it shows again."""

Pinned = tuple[Name, str]
"""A version, by its name and its whole hash."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a release shows: a version of a front end, and the versions of data beside it."""

    app: Pinned | None
    """None where it shows nothing."""
    data: tuple[Pinned, ...] = ()

    @property
    def versions(self) -> tuple[Pinned, ...]:
        """All that must stay for it."""
        return (self.app, *self.data) if self.app else ()

    @property
    def lineage(self) -> list[str]:
        """The same as references, the front end first."""
        return [f"{name}@{version}" for name, version in self.versions]

    def document(self, deployment: Name) -> Document:
        """What the page reads of it."""
        return Document(
            deployment=f"{deployment.space}/{deployment_of(deployment)}",
            app=str(self.app[0]) if self.app else None,
            version=self.app[1] if self.app else None,
            data={str(name): version for name, version in self.data},
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A release as it stands in the log."""

    seq: int
    version: str
    """Its hash: of the tree that holds ``deployment.json`` alone."""
    shown: Shown
    at: datetime
    by: str
    message: str
    origin: int
    """The number of the entry that it shows again; its own where it is no rollback."""


def document_file(data: bytes) -> FileInfo:
    """The one file of a release; its extents are not known yet."""
    digest = digest_bytes(data)
    return FileInfo(DOCUMENT, digest.size, digest.sha256, "application/json", ())


def read_releases(history: History) -> list[Entry]:
    """The releases of a deployment, oldest first.

    What its log says of a release is believed where ``deployment.json`` says the same: a version
    that somebody pushed by hand shows nothing.
    """
    found = (_entry(history.name, seq, commit) for seq, commit in history.commits.items())
    return [entry for entry in found if entry is not None]


def ever_shown(history: History) -> set[Pinned]:
    """The versions that any release of a deployment showed, one that was deleted, too."""
    commits = (*history.commits.values(), *(gone.commit for gone in history.deleted.values()))
    found = (_entry(history.name, 0, commit) for commit in commits)
    return versions_of(entry for entry in found if entry is not None)


def kept_releases(entries: Sequence[Entry], number: int) -> list[Entry]:
    """The last different releases, the one that stands first; none where nothing is shown."""
    if not entries or entries[-1].shown.app is None:
        return []
    kept: dict[str, Entry] = {}
    for entry in reversed(entries):
        if entry.shown.app is not None and len(kept) < number:
            kept.setdefault(entry.version, entry)
    return list(kept.values())


def shown_again(entries: Sequence[Entry], number: int) -> set[Pinned]:
    """What earlier releases show that are kept again when a deployment is not taken down any more.

    Nothing where it shows something: then they are kept already.
    """
    if not entries or entries[-1].shown.app is not None:
        return set()
    last = [entry for entry in entries if entry.shown.app is not None]
    return versions_of(kept_releases(last, number))


def versions_of(entries: Iterable[Entry]) -> set[Pinned]:
    """All that must stay for some releases."""
    return {pinned for entry in entries for pinned in entry.shown.versions}


def find_target(entries: Sequence[Entry], deployment: str, to: str | None) -> Entry:
    """Which release a rollback shows again.

    Without ``to`` it is the one before that which stands; of a release that stands there by a
    rollback itself, the one before that which it shows again: rollbacks go further back.

    Raises:
        VersionNotFoundError: there is none.
        InvalidReferenceError: the hash is too short, or fits several.
    """
    shown = [entry for entry in entries if entry.shown.app is not None]
    if to is not None:
        return _by_hash(shown, deployment, to)
    current = entries[-1]
    target = next((e for e in reversed(shown) if e.seq < current.origin), None)
    if current.shown.app is None:  # it was taken down: what stood before comes back
        target = shown[-1] if shown else None
    while target is not None and target.version == current.version:
        before = target.seq
        target = next((e for e in reversed(shown) if e.seq < before), None)
    if target is None:
        raise VersionNotFoundError(
            f"The deployment {deployment} has no release before the one that stands.",
            hint=f"ks web history {deployment}",
        )
    return target


def tell_releases(entries: Sequence[Entry], number: int) -> list[Release]:
    """The releases for people, newest first."""
    kept = {entry.version for entry in kept_releases(entries, number)}
    return [
        Release(
            release=entry.version,
            app=str(entry.shown.app[0]) if entry.shown.app else None,
            version=entry.shown.app[1] if entry.shown.app else None,
            data={str(name): version for name, version in entry.shown.data},
            at=entry.at,
            by=entry.by,
            message=entry.message,
            rollback=entry.origin != entry.seq,
            current=entry is entries[-1],
            kept=entry.version in kept,
        )
        for entry in reversed(entries)
    ]


def _entry(deployment: Name, seq: int, commit: Commit) -> Entry | None:
    try:
        shown = _shown(commit.lineage)
    except StorageError:
        return None
    data = shown.document(deployment).encode()
    if version_hash([document_file(data)]) != commit.version:
        return None
    again = commit.metadata.get(AGAIN)
    origin = again if isinstance(again, int) and 0 <= again < seq else seq
    return Entry(seq, commit.version, shown, commit.at, commit.by, commit.message, origin)


def _shown(lineage: Sequence[str]) -> Shown:
    versions = [_pinned(text) for text in lineage]
    return Shown(versions[0], tuple(versions[1:])) if versions else Shown(None)


def _pinned(text: str) -> Pinned:
    reference = Reference.parse(text)
    return reference.name, check_hash(reference.selector or "")


def _by_hash(shown: Sequence[Entry], deployment: str, to: str) -> Entry:
    if len(to) < MIN_HASH_PREFIX:
        raise InvalidReferenceError(
            f"{to!r} is too short for the hash of a release.",
            hint=f"Write {MIN_HASH_PREFIX} digits at least: ks web history {deployment}",
        )
    found = {entry.version: entry for entry in shown if entry.version.startswith(to)}
    if not found:
        raise VersionNotFoundError(
            f"The deployment {deployment} has no release {to!r}.",
            hint=f"ks web history {deployment}",
        )
    if len(found) > 1:
        raise InvalidReferenceError(
            f"{to!r} is the beginning of {len(found)} releases of {deployment}.",
            hint=f"Add digits: {', '.join(sorted(version[:16] for version in found))}.",
        )
    return next(iter(found.values()))
