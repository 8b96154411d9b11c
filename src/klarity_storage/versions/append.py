"""Append to a name's history what fits it as it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError
from klarity_storage.protocol.log import Action
from klarity_storage.versions.history import History, read_history
from klarity_storage.versions.log import append_entry

MAX_ATTEMPTS: Final = 100
"""How often the next number is tried. Each failure is somebody else's success."""


def append_action(
    store: ObjectStore, history: History, action_for: Callable[[History], Action | None]
) -> History:
    """Append an action, thinking again whenever somebody else was first.

    Args:
        store: the bucket, with keys that write the log.
        history: the history as far as it is known.
        action_for: what to append to a history, or None when it says so already.

    Raises:
        ConflictError: others were first a hundred times in a row.
    """
    for _ in range(MAX_ATTEMPTS):
        action = action_for(history)
        if action is None:
            return history
        if append_entry(store, history.name, history.length, action):
            return history.with_entries([(history.length, action)])
        history = read_history(store, history.name, history)
    raise ConflictError(
        f"Others wrote to {history.name} {MAX_ATTEMPTS} times in a row.", hint="Try again."
    )
