"""Tags: names that can be moved from one version to another."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import VersionNotFoundError
from klarity_storage.layout import Name, check_selector, check_tag
from klarity_storage.protocol.log import Tag, Untag
from klarity_storage.protocol.versions import TagInfo
from klarity_storage.versions.append import append_action
from klarity_storage.versions.history import History, read_history


def set_tag(
    store: ObjectStore,
    name: Name,
    tag: str,
    selector: str,
    *,
    by: str,
    history: History | None = None,
) -> TagInfo:
    """Let a tag stand for a version, wherever it stood before.

    ``selector`` is a hash, its beginning, another tag or ``latest``.

    Raises:
        InvalidNameError: the tag reads as a hash or as ``latest``.
        VersionNotFoundError: there is no such version.
    """
    check_tag(tag)
    check_selector(selector)

    def action(history: History) -> Tag | None:
        version = history.resolve(selector).version
        standing = history.tagged.get(tag)
        if standing and standing.version == version:
            return None
        return Tag(at=datetime.now(UTC), by=by, write_id=write_id, tag=tag, version=version)

    write_id = uuid4().hex
    return append_action(store, read_history(store, name, history), action).tag_info(tag)


def remove_tag(
    store: ObjectStore, name: Name, tag: str, *, by: str, history: History | None = None
) -> None:
    """Take a tag away.

    Raises:
        VersionNotFoundError: there is no such tag.
    """

    def action(history: History) -> Untag:
        if tag not in history.tagged:
            raise VersionNotFoundError(
                f"{name} has no tag {tag!r}.", hint=f"ks tag ls {name} lists its tags."
            )
        return Untag(at=datetime.now(UTC), by=by, write_id=write_id, tag=tag)

    write_id = uuid4().hex
    append_action(store, read_history(store, name, history), action)
