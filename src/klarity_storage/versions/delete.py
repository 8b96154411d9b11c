"""Delete a version: it leaves the lists; its bytes stay until they are collected as garbage."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError, InvalidInputError
from klarity_storage.layout import Name, check_selector
from klarity_storage.protocol.log import Delete
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.append import append_action
from klarity_storage.versions.history import History, read_history

MAX_REASON = 1000
"""Characters."""


def delete_version(
    store: ObjectStore,
    name: Name,
    selector: str,
    *,
    by: str,
    reason: str = "",
    untag: bool = False,
    unpin: bool = False,
    history: History | None = None,
) -> VersionInfo:
    """Append the deletion of a version, and return what the version was.

    Until its bytes are collected, a push of the same content brings it back without an upload.

    Args:
        store: the bucket, with keys that read the name and write its log.
        name: whose version it is.
        selector: a hash, its beginning, a tag or ``latest``.
        by: who asks: ``user:alice``.
        reason: why, in one line.
        untag: whether the tags that stand for it go with it.
        unpin: whether it goes although deployments show it.
        history: what is known of the name, to read only what is newer.

    Raises:
        VersionNotFoundError: there is no such version.
        ConflictError: a tag stands for it, or a deployment shows it.
    """
    check_selector(selector)
    if len(reason) > MAX_REASON:
        raise InvalidInputError(f"The reason has more than {MAX_REASON:,} characters.")
    history = read_history(store, name, history)
    version = history.resolve(selector).version  # what is meant now, whoever commits meanwhile
    gone: list[VersionInfo] = []

    def action(history: History) -> Delete:
        info = history.resolve(version)
        if info.tags and not untag:
            raise ConflictError(
                f"{name}@{version[:12]} is tagged {', '.join(info.tags)}.",
                hint=f"ks tag rm {name} {info.tags[0]}",
            )
        if (holders := history.holders(version)) and not unpin:
            raise ConflictError(
                f"{name}@{version[:12]} is kept for {', '.join(holders)}: it is deployed there, "
                "or can be rolled back to.",
                hint=f"ks web remove {holders[0]}, or ks rm --unpin to delete it all the same",
            )
        gone[:] = [info]
        return Delete(
            at=datetime.now(UTC), by=by, write_id=write_id, version=version, reason=reason
        )

    write_id = uuid4().hex
    append_action(store, history, action)
    return gone[0]
