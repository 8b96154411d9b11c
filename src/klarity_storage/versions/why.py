"""Why a version or an object is kept, or why it is garbage."""

from __future__ import annotations

from dataclasses import dataclass

from klarity_storage.errors import VersionNotFoundError
from klarity_storage.layout import is_hash_prefix
from klarity_storage.protocol.log import Commit
from klarity_storage.versions.gc import Referred
from klarity_storage.versions.history import History


@dataclass(frozen=True, slots=True)
class Why:
    """Whether something is kept, and the reasons."""

    kept: bool
    because: tuple[str, ...]
    """One sentence each."""


def why_object(history: History, key: str) -> Why:
    """Why an object is kept or not.

    Args:
        history: of the name that it lies under.
        key: relative to the name's prefix: ``<folder>/<path>``.
    """
    users = [_told(history, entry) for entry in _live(history) if key in Referred.by([entry])]
    if users:
        return Why(kept=True, because=tuple(f"{user} refers to it." for user in users))
    if key in history.purged:
        return Why(kept=False, because=("It was purged as garbage.",))
    deleted = [
        version[:12]
        for version, entry in history.deleted.items()
        if key in Referred.by([entry.commit])
    ]
    if deleted:
        told = tuple(
            f"Version {version}, which referred to it, was deleted." for version in deleted
        )
        return Why(kept=False, because=told)
    return Why(kept=False, because=("No version ever referred to it.",))


def why_version(history: History, selector: str | None) -> Why:
    """Why a version is kept, or which of its bytes are although it was deleted.

    Raises:
        VersionNotFoundError: there never was such a version.
    """
    found = [
        entry
        for version, entry in history.deleted.items()
        if selector and is_hash_prefix(selector) and version.startswith(selector)
    ]
    if len(found) != 1 or selector in history.tagged:
        return _why_live(history, selector)
    commit = found[0].commit
    size = {stored.key: stored.size for stored in commit.objects}
    because = [f"It was deleted at {found[0].at:%Y-%m-%d %H:%M} UTC."]
    for entry in _live(history):
        shared = [size[stored.key] for stored in entry.objects if stored.key in size]
        if shared:
            because.append(
                f"{_told(history, entry)} refers to {len(shared):,} of its objects, "
                f"{sum(shared):,} bytes."
            )
    return Why(kept=len(because) > 1, because=tuple(because))


def _why_live(history: History, selector: str | None) -> Why:
    try:
        info = history.resolve(selector)
    except VersionNotFoundError as error:
        raise VersionNotFoundError(
            error.message, hint="Write all digits of the hash of a deleted version."
        ) from error
    because = [f"The tag {tag} stands for it." for tag in info.tags]
    because += [
        f"The deployment {holder} shows it, or can be rolled back to it."
        for holder in history.holders(info.version)
    ]
    if info.latest:
        because.append("It is the latest version.")
    return Why(kept=True, because=tuple(because) or ("It was committed and not deleted.",))


def _live(history: History) -> list[Commit]:
    """The newest commit of each version that is not deleted."""
    return list({entry.version: entry for entry in history.commits.values()}.values())


def _told(history: History, entry: Commit) -> str:
    tags = [tag for tag, standing in history.tagged.items() if standing.version == entry.version]
    told = ", ".join(sorted(tags))
    return f"Version {entry.version[:12]}" + (f" ({told})" if tags else "")
