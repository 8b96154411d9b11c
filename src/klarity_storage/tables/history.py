"""Who changed a table, when, why and from what: its log, newest first."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import obstore
from obstore.store import ObjectStore

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.tables import TableVersion
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.location import TableLocation, open_store
from klarity_storage.tables.snapshot import open_snapshot

_AT_ONCE = 16
"""Entries: each is one request, that waits for the engine."""


def read_history(location: TableLocation, limit: int | None = None) -> list[TableVersion]:
    """Every commit of a table whose log entry is still there, newest first.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        InvalidInputError: a limit below one.
    """
    if limit is not None and limit < 1:
        raise InvalidInputError(f"A limit of {limit} versions cannot be.")
    return read_versions(location, open_snapshot(location).version(), limit)


def read_versions(
    location: TableLocation, newest: int, limit: int | None = None
) -> list[TableVersion]:
    """The commits from a version downwards, as far as the log reaches back."""
    store = open_store(location)
    last = -1 if limit is None else max(newest - limit, -1)
    found: list[TableVersion] = []
    with told_as_ours(location.name), ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(newest, last, -_AT_ONCE):
            numbers = range(start, max(start - _AT_ONCE, last), -1)
            for entry in pool.map(lambda number: _read(store, number), numbers):
                if entry is None:
                    return found
                found.append(entry)
    return found


def _read(store: ObjectStore, version: int) -> TableVersion | None:
    try:
        answer = obstore.get(store, f"_delta_log/{version:020d}.json")
    except FileNotFoundError:
        return None
    written = answer.meta["last_modified"]
    return told(version, bytes(answer.bytes()), written)


def told(version: int, entry: bytes, written: datetime) -> TableVersion:
    """What a log entry says.

    >>> line = b'{"commitInfo": {"timestamp": 0, "operation": "WRITE", "userName": "user:alice"}}'
    >>> told(3, line, datetime.now(UTC)).author
    'user:alice'
    """
    info: dict[str, Any] = {}
    added: list[dict[str, Any]] = []
    removed: list[dict[str, Any]] = []
    for line in entry.splitlines():
        action = json.loads(line)
        info = action.get("commitInfo") or info
        added += [action["add"]] if "add" in action else []
        removed += [action["remove"]] if "remove" in action else []
    milliseconds = info.get("timestamp")
    return TableVersion(
        version=version,
        time=datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else written,
        author=str(info.get("userName") or ""),
        message=str(info.get("userMetadata") or ""),
        operation=str(info.get("operation") or "unknown"),
        lineage=_lineage(info),
        rows_added=_rows(added),
        rows_removed=_rows(removed),
        bytes_added=_bytes(added),
        bytes_removed=_bytes(removed),
        files_added=len(added),
        files_removed=len(removed),
    )


def _lineage(info: dict[str, Any]) -> list[str]:
    lineage = info.get("lineage")  # another program may mean something else by it
    return [str(item) for item in lineage] if isinstance(lineage, list) else []


def _rows(files: list[dict[str, Any]]) -> int | None:
    counts = [json.loads(file.get("stats") or "{}").get("numRecords") for file in files]
    return None if None in counts else sum(counts)


def _bytes(files: list[dict[str, Any]]) -> int | None:
    sizes = [file.get("size") for file in files]
    return None if None in sizes else sum(sizes)  # type: ignore[arg-type]
