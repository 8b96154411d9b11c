"""Pins: what shows a version keeps it from being deleted unawares.

They stand in the version's own log, so that a deletion and a pin of one version are never both
appended: whoever comes second reads the other's entry first.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from obstore.store import ObjectStore

from klarity_storage.layout import Name, check_hash
from klarity_storage.protocol.log import Pin, Unpin
from klarity_storage.versions.append import append_action
from klarity_storage.versions.history import History, read_history


def pin_version(
    store: ObjectStore,
    name: Name,
    version: str,
    holder: str,
    *,
    by: str,
    history: History | None = None,
) -> bool:
    """Keep a version for as long as a holder shows it.

    Args:
        store: the bucket, with keys that write the name's log.
        name: whose version it is.
        version: its whole hash.
        holder: what shows it: ``web/prod``, a deployment.
        by: who asks: ``user:alice``.
        history: what is known of the name, to read only what is newer.

    Returns:
        Whether the holder did not keep it before.

    Raises:
        VersionNotFoundError: there is no such version, or it was deleted.
    """
    check_hash(version)
    fresh = [False]

    def action(history: History) -> Pin | None:
        history.resolve(version)
        fresh[:] = [holder not in history.holders(version)]
        if not fresh[0]:
            return None
        return Pin(at=datetime.now(UTC), by=by, write_id=write_id, version=version, holder=holder)

    write_id = uuid4().hex
    append_action(store, read_history(store, name, history), action)
    return fresh[0]


def unpin_versions(
    store: ObjectStore,
    name: Name,
    versions: Iterable[str],
    holder: str,
    *,
    by: str,
    history: History | None = None,
) -> None:
    """Let versions go that a holder does not show any more; what it never held is no failure."""
    history = read_history(store, name, history)
    for version in versions:
        write_id = uuid4().hex

        def action(
            history: History, version: str = version, write_id: str = write_id
        ) -> Unpin | None:
            if holder not in history.holders(version):
                return None
            return Unpin(
                at=datetime.now(UTC), by=by, write_id=write_id, version=version, holder=holder
            )

        history = append_action(store, history, action)
