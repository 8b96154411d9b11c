"""The history of a name: its log, folded into versions and tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from obstore.store import ObjectStore

from klarity_storage.errors import InvalidReferenceError, VersionNotFoundError
from klarity_storage.layout import LATEST, Name, is_hash_prefix
from klarity_storage.protocol.log import (
    SERVER,
    Action,
    Commit,
    Delete,
    Pin,
    Purge,
    Tag,
    Unpin,
    Untag,
)
from klarity_storage.protocol.versions import TagInfo, UploadPlace, VersionInfo
from klarity_storage.versions.log import read_entries


@dataclass(frozen=True, slots=True)
class Deleted:
    """A version that was deleted and not committed again: its bytes stay until they are purged."""

    commit: Commit
    """The newest of its commits."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the log that is no commit, for people: who tagged, deleted or purged what."""

    seq: int
    action: Literal["tag", "untag", "delete", "purge"]
    at: datetime
    by: str
    version: str | None = None
    tag: str | None = None
    reason: str = ""
    objects: int | None = None
    """How many a purge deleted."""


@dataclass(frozen=True, slots=True)
class History:
    """What the log of a name says up to some entry."""

    name: Name
    length: int = 0
    """How many entries the log has."""
    commits: dict[int, Commit] = field(default_factory=dict)
    """The commits of versions that are not deleted, by entry number, oldest first."""
    tagged: dict[str, Tag] = field(default_factory=dict)
    ever_committed: frozenset[str] = frozenset()
    """Every version hash that was ever committed, deleted or not."""
    deleted: dict[str, Deleted] = field(default_factory=dict)
    """The versions that were deleted and not committed again, by hash."""
    closed: frozenset[str] = frozenset()
    """The folders that are never written to again: a commit points into them, or a purge did."""
    purged: frozenset[str] = frozenset()
    """Keys, relative to the name's prefix, that were deleted or are about to be: no commit may
    point at them any more."""
    events: tuple[Event, ...] = ()
    """What happened beside the commits, oldest first."""
    pinned: dict[str, tuple[Pin, ...]] = field(default_factory=dict)
    """The pins of each version that were not let go: it is not deleted unawares."""

    def with_entries(self, entries: list[tuple[int, Action]]) -> History:
        """What the history is with these entries behind it."""
        commits, tagged, deleted = dict(self.commits), dict(self.tagged), dict(self.deleted)
        pinned = dict(self.pinned)
        for number, action in entries:
            if isinstance(action, Commit):
                commits[number] = action
                deleted.pop(action.version, None)
            elif isinstance(action, Tag):
                tagged[action.tag] = action
            elif isinstance(action, Untag):
                tagged.pop(action.tag, None)
            elif isinstance(action, Delete):
                gone = action.version
                of_it = [entry for entry in commits.values() if entry.version == gone]
                if of_it:
                    deleted[gone] = Deleted(of_it[-1], action.at)
                pinned.pop(gone, None)
                commits = {n: entry for n, entry in commits.items() if entry.version != gone}
                tagged = {tag: entry for tag, entry in tagged.items() if entry.version != gone}
            else:
                _hold(pinned, action)
        new = [action for _, action in entries]
        purged = {key for action in new if isinstance(action, Purge) for key in action.objects}
        came = [action for action in new if isinstance(action, Commit)]
        return History(
            self.name,
            self.length + len(entries),
            commits,
            tagged,
            self.ever_committed | {commit.version for commit in came},
            deleted,
            self.closed | {key[:64] for key in purged} | {key[:64] for key in _keys(came)},
            self.purged | purged,
            self.events + tuple(_events(entries)),
            pinned,
        )

    def latest(self) -> VersionInfo | None:
        """The newest commit, or None before the first."""
        return self._info(self._newest, self._tags_by_version()) if self.commits else None

    def versions(self) -> list[VersionInfo]:
        """Every commit, newest first; a version that was committed again is listed again."""
        tags = self._tags_by_version()
        return [self._info(number, tags) for number in reversed(self.commits)]

    def tags(self) -> list[TagInfo]:
        """The tags as they stand, by name."""
        return [self.tag_info(tag) for tag in sorted(self.tagged)]

    def tag_info(self, tag: str) -> TagInfo:
        entry = self.tagged[tag]
        return TagInfo(tag=tag, version=entry.version, at=entry.at, by=entry.by)

    def holds(self, version: str) -> bool:
        """Whether a version was committed and not deleted, by its whole hash."""
        return any(commit.version == version for commit in self.commits.values())

    def holders(self, version: str) -> list[str]:
        """What shows a version, by its whole hash, sorted."""
        return sorted({pin.holder for pin in self.pinned.get(version, ())})

    def pins(self, version: str, holder: str) -> list[Pin]:
        """The pins by which a holder keeps a version, by its whole hash."""
        return [pin for pin in self.pinned.get(version, ()) if pin.holder == holder]

    def place(self, version: str) -> UploadPlace:
        """The manifest of this content when everything is there, and where a push of it uploads.

        What was deleted lies in storage until it is purged. A folder that a purge touched is never
        written to again, so a push after that goes to a folder of its own.
        """
        standing = [entry for entry in self.commits.values() if entry.version == version]
        if version in self.deleted:
            standing.append(self.deleted[version].commit)
        whole = standing and self.purged.isdisjoint(_keys(standing[-1:]))
        folder, generation = version, 0
        while folder in self.closed:
            generation += 1
            folder = hashlib.sha256(f"{version} {generation}\n".encode()).hexdigest()
        return UploadPlace(manifest=standing[-1].manifest if whole else None, folder=folder)

    def resolve(self, selector: str | None = None) -> VersionInfo:
        """The newest commit of what a tag, a hash or its beginning, ``latest`` or None stands for.

        Raises:
            VersionNotFoundError: it stands for nothing.
            InvalidReferenceError: it is the beginning of several hashes.
        """
        if not self.commits:
            raise self.not_found()
        number = self._newest
        if selector not in (None, LATEST):
            version = self._version_of(str(selector))
            number = next(n for n in reversed(self.commits) if self.commits[n].version == version)
        return self._info(number, self._tags_by_version())

    def not_found(self) -> VersionNotFoundError:
        """What is said of a name that holds no version now."""
        expired = [event for event in self.events if _has_expired(event)]
        if not expired:
            return name_not_found(self.name)
        return self._expired(expired[-1])

    def _expired(self, event: Event) -> VersionNotFoundError:
        return VersionNotFoundError(
            f"{self.name}@{(event.version or '')[:12]} has expired on {event.at:%Y-%m-%d}: "
            f"{event.reason}.",
            hint="Push it again, or into a space whose bucket keeps it.",
        )

    def _expiry_of(self, selector: str) -> Event | None:
        """The expiry of what a tag or the beginning of a hash stood for."""
        tagged = [e.version for e in self.events if e.action == "tag" and e.tag == selector]
        for event in filter(_has_expired, reversed(self.events)):
            version = event.version or ""
            if version in tagged[-1:] or (
                is_hash_prefix(selector) and version.startswith(selector)
            ):
                return event
        return None

    def _version_of(self, selector: str) -> str:
        if selector in self.tagged:
            return self.tagged[selector].version
        found = {c.version for c in self.commits.values() if c.version.startswith(selector)}
        if not found or not is_hash_prefix(selector):
            if expired := self._expiry_of(selector):
                raise self._expired(expired)
            raise VersionNotFoundError(
                f"{self.name} has no tag or version {selector!r}.",
                hint=f"ks log {self.name} lists its versions and tags.",
            )
        if len(found) > 1:
            raise InvalidReferenceError(
                f"{selector!r} is the beginning of {len(found)} versions of {self.name}.",
                hint=f"Add digits: {', '.join(sorted(v[:16] for v in found))}.",
            )
        return found.pop()

    @property
    def _newest(self) -> int:
        return next(reversed(self.commits))

    def _tags_by_version(self) -> dict[str, list[str]]:
        tags: dict[str, list[str]] = {}
        for tag, entry in sorted(self.tagged.items()):
            tags.setdefault(entry.version, []).append(tag)
        return tags

    def _info(self, number: int, tags: dict[str, list[str]]) -> VersionInfo:
        commit = self.commits[number]
        return VersionInfo(
            space=self.name.space,
            kind=self.name.kind,
            name=self.name.name,
            version=commit.version,
            seq=number,
            at=commit.at,
            by=commit.by,
            message=commit.message,
            parents=commit.parents,
            lineage=commit.lineage,
            metadata=commit.metadata,
            manifest=commit.manifest,
            files=commit.files,
            bytes=commit.bytes,
            footer=commit.footer,
            tags=tags.get(commit.version, []),
            latest=number == self._newest,
        )


def _hold(pinned: dict[str, tuple[Pin, ...]], action: Action) -> None:
    if isinstance(action, Pin):
        pinned[action.version] = (*pinned.get(action.version, ()), action)
    elif isinstance(action, Unpin):
        pinned[action.version] = tuple(
            pin for pin in pinned.get(action.version, ()) if not _ends(action, pin)
        )


def _ends(unpin: Unpin, pin: Pin) -> bool:
    named = unpin.pins is None or pin.write_id in unpin.pins
    return named and pin.holder == unpin.holder


def _has_expired(event: Event) -> bool:
    return event.action == "delete" and event.by == SERVER


def _keys(commits: Iterable[Commit]) -> Iterator[str]:
    """Every object that these commits refer to, their manifests too."""
    for commit in commits:
        yield commit.manifest_key
        for stored in commit.objects:
            yield stored.key


def _events(entries: list[tuple[int, Action]]) -> Iterator[Event]:
    for seq, action in entries:
        match action:
            case Tag():
                yield Event(seq, "tag", action.at, action.by, action.version, action.tag)
            case Untag():
                yield Event(seq, "untag", action.at, action.by, tag=action.tag)
            case Delete():
                yield Event(
                    seq, "delete", action.at, action.by, action.version, reason=action.reason
                )
            case Purge():
                yield Event(seq, "purge", action.at, action.by, objects=len(action.objects))
            case _:
                pass  # commits are versions, and pins are told by `why`


def read_history(store: ObjectStore, name: Name, known: History | None = None) -> History:
    """Read a name's log, or only what came after ``known``.

    A name that nothing was committed under has an empty history.
    """
    known = known or History(name)
    entries = read_entries(store, name, after=known.length - 1)
    return known.with_entries(entries) if entries else known


def name_not_found(name: Name) -> VersionNotFoundError:
    """There is no such name, or the caller may not see it."""
    return VersionNotFoundError(
        f"There is no {name}.", hint=f"ks ls {name.space} lists what there is."
    )
