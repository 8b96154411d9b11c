"""How much lies below a prefix, as storage itself says."""

from __future__ import annotations

from typing import NamedTuple

from obstore.store import ObjectStore

from klarity_storage.versions.engine_errors import told_as_ours


class Amount(NamedTuple):
    """Bytes and objects together: what there is, or what comes or goes."""

    bytes: int
    objects: int


NOTHING = Amount(0, 0)


def measure(store: ObjectStore, prefix: str) -> Amount:
    """List what lies below a prefix and add it up.

    Raises:
        UnavailableError: the engine does not answer.
    """
    size = objects = 0
    with told_as_ours(f"what lies in {prefix}"):
        for page in store.list(prefix):
            objects += len(page)
            size += sum(meta["size"] for meta in page)
    return Amount(size, objects)
