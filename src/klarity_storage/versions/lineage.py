"""What a version was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable

from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Reference, is_hash_prefix
from klarity_storage.protocol.versions import Lineage, VersionInfo
from klarity_storage.versions.history import History


def trace_lineage(info: VersionInfo, histories: Iterable[History]) -> Lineage:
    """The lineage of a version, both ways, one step far.

    Args:
        info: the version.
        histories: where to look for what was made from it: of all names that the caller may read.
    """
    found = {
        f"{history.name}@{commit.version}"
        for history in histories
        for commit in history.commits.values()
        if any(_means(reference, info) for reference in commit.lineage)
    }
    return Lineage(
        ref=f"{info.space}/{info.kind}/{info.name}@{info.version}",
        made_from=info.lineage,
        made_into=sorted(found),
    )


def _means(text: str, info: VersionInfo) -> bool:
    """Whether a reference means this version; a tag means now another than it did then."""
    try:
        reference = Reference.parse(text)
    except InvalidInputError:  # of an older program
        return False
    name, selector = reference.name, reference.selector or ""
    return (
        (name.space, name.kind, name.name) == (info.space, info.kind, info.name)
        and is_hash_prefix(selector)
        and info.version.startswith(selector)
    )
