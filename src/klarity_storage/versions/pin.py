"""Pins: what shows a version keeps it from being deleted unawares.

They stand in the version's own log, so that a deletion and a pin of one version are never both
appended: whoever comes second reads the other's entry first. Each says for which entry of its
holder's log it was made, so that whoever lets go of a version can tell the pins that count no more
from those of somebody who is about to show it (see design/018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    entry: int | None = None,
    renew: bool = False,
    history: History | None = None,
) -> str | None:
    """Keep a version for as long as a holder shows it.

    Args:
        store: the bucket, with keys that write the name's log.
        name: whose version it is.
        version: its whole hash.
        holder: what shows it: ``web/prod``, a deployment.
        by: who asks: ``user:alice``.
        entry: the number of the entry of the holder's log that is to show it.
        renew: whether it is pinned although the holder keeps it: somebody may be letting it go.
        history: what is known of the name, to read only what is newer.

    Returns:
        The pin's ``write_id``, or None where the holder kept it before.

    Raises:
        VersionNotFoundError: there is no such version, or it was deleted.
    """
    check_hash(version)
    made = [False]

    def action(history: History) -> Pin | None:
        history.resolve(version)
        made[:] = [renew or holder not in history.holders(version)]
        if not made[0]:
            return None
        return Pin(
            at=datetime.now(UTC),
            by=by,
            write_id=write_id,
            version=version,
            holder=holder,
            entry=entry,
        )

    write_id = uuid4().hex
    append_action(store, read_history(store, name, history), action)
    return write_id if made[0] else None


def unpin_versions(
    store: ObjectStore,
    name: Name,
    versions: Iterable[str],
    holder: str,
    *,
    by: str,
    gone: Callable[[Pin], bool] = lambda _: True,
    history: History | None = None,
) -> None:
    """Let versions go that a holder does not show any more; what it never held is no failure.

    Args:
        store: the bucket, with keys that write the name's log.
        name: whose versions they are.
        versions: their whole hashes.
        holder: what shows them no more.
        by: who asks: ``user:alice``.
        gone: which of its pins count no more; all without it.
        history: what is known of the name, to read only what is newer.
    """
    history = read_history(store, name, history)
    for version in versions:
        write_id = uuid4().hex

        def action(
            history: History, version: str = version, write_id: str = write_id
        ) -> Unpin | None:
            pins = [pin.write_id for pin in history.pins(version, holder) if gone(pin)]
            if not pins:
                return None
            return Unpin(
                at=datetime.now(UTC),
                by=by,
                write_id=write_id,
                version=version,
                holder=holder,
                pins=pins,
            )

        history = append_action(store, history, action)
