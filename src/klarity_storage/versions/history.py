"""The history of a name: its log, folded into versions and tags."""

from __future__ import annotations

from dataclasses import dataclass, field

from obstore.store import ObjectStore

from klarity_storage.errors import InvalidReferenceError, VersionNotFoundError
from klarity_storage.layout import LATEST, Name, is_hash_prefix
from klarity_storage.protocol.log import Action, Commit, Delete, Tag, Untag
from klarity_storage.protocol.versions import TagInfo, VersionInfo
from klarity_storage.versions.log import read_entries


@dataclass(frozen=True, slots=True)
class History:
    """What the log of a name says up to some entry."""

    name: Name
    length: int = 0
    """How many entries the log has."""
    commits: dict[int, Commit] = field(default_factory=dict)
    """The commits of versions that are not deleted, by entry number, oldest first."""
    tagged: dict[str, tuple[int, Tag]] = field(default_factory=dict)

    def with_entries(self, entries: list[tuple[int, Action]]) -> History:
        """This history and what came after it."""
        commits, tagged = dict(self.commits), dict(self.tagged)
        for number, action in entries:
            match action:
                case Commit():
                    commits[number] = action
                case Tag():
                    tagged[action.tag] = (number, action)
                case Untag():
                    tagged.pop(action.tag, None)
                case Delete():
                    commits = {n: c for n, c in commits.items() if c.version != action.version}
                    tagged = {t: e for t, e in tagged.items() if e[1].version != action.version}
        return History(self.name, self.length + len(entries), commits, tagged)

    def latest(self) -> VersionInfo | None:
        """The newest commit, or None before the first."""
        return self._info(max(self.commits)) if self.commits else None

    def versions(self) -> list[VersionInfo]:
        """Every commit, newest first; a version that was committed again is listed again."""
        return [self._info(number) for number in reversed(self.commits)]

    def tags(self) -> list[TagInfo]:
        """The tags as they stand, by name."""
        return [
            TagInfo(tag=tag, version=entry.version, at=entry.at, by=entry.by)
            for tag, (_, entry) in sorted(self.tagged.items())
        ]

    def holds(self, version: str) -> bool:
        """Whether a version was committed and not deleted, by its whole hash."""
        return any(commit.version == version for commit in self.commits.values())

    def resolve(self, selector: str | None = None) -> VersionInfo:
        """The newest commit of what a tag, a hash or its beginning, ``latest`` or None stands for.

        Raises:
            VersionNotFoundError: it stands for nothing.
            InvalidReferenceError: it is the beginning of several hashes.
        """
        if not self.commits:
            raise name_not_found(self.name)
        if selector in (None, LATEST):
            return self._info(max(self.commits))
        version = self._version_of(str(selector))
        return self._info(max(n for n, c in self.commits.items() if c.version == version))

    def _version_of(self, selector: str) -> str:
        if selector in self.tagged:
            return self.tagged[selector][1].version
        found = {c.version for c in self.commits.values() if c.version.startswith(selector)}
        if not found or not is_hash_prefix(selector):
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

    def _info(self, number: int) -> VersionInfo:
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
            tags=sorted(t for t, (_, e) in self.tagged.items() if e.version == commit.version),
            latest=number == max(self.commits),
        )


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
