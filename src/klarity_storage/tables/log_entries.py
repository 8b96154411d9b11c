"""The entries of a table's log, as they stand in storage."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import ObjectStore

Action = dict[str, Any]
"""One line of an entry: what is done under its name, ``{"add": {…}}``."""

FileKey = tuple[str, str]
"""Which file an action is of: its path, and its deletion vector, if any."""


def entry_path(version: int) -> str:
    """The key of a commit, below the table's prefix."""
    return f"_delta_log/{version:020d}.json"


def read_entry(store: ObjectStore, version: int) -> list[Action] | None:
    """The actions of a commit, or None when there is none, or it was cleaned up."""
    try:
        data = bytes(obstore.get(store, entry_path(version)).bytes())
    except (FileNotFoundError, NotFoundError):
        return None
    return [json.loads(line) for line in data.splitlines() if line.strip()]


def write_entry(store: ObjectStore, version: int, actions: list[Action]) -> None:
    """Commit actions as a version that does not exist yet.

    Raises:
        obstore.exceptions.AlreadyExistsError: somebody else has committed that version.
    """
    lines = "".join(f"{json.dumps(action, separators=(',', ':'))}\n" for action in actions)
    obstore.put(store, entry_path(version), lines.encode(), mode="create")


def file_key(action: dict[str, Any]) -> FileKey:
    """Which file an ``add`` or ``remove`` is of."""
    vector = action.get("deletionVector")
    if not vector:
        return action["path"], ""
    return action[
        "path"
    ], f"{vector['storageType']}{vector['pathOrInlineDv']}@{vector.get('offset')}"


def object_path(path: str) -> str:
    """The key below the table's prefix of a path in the log, where it stands as a URL."""
    return unquote(path)
