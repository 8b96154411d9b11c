"""One version of a table, opened."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import obstore
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from obstore.store import ObjectStore

from klarity_storage.errors import InvalidReferenceError, VersionNotFoundError
from klarity_storage.layout import Name
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.location import TableLocation, delta_options, open_store


def open_snapshot(
    location: TableLocation, version: int | None = None, timestamp: datetime | None = None
) -> DeltaTable:
    """Open the newest version, a numbered one, or the one that was current at a time.

    A time without a zone is taken as UTC.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        InvalidReferenceError: a version and a timestamp, or a negative version.
    """
    if version is not None and timestamp is not None:
        raise InvalidReferenceError("Give a version or a timestamp, not both.")
    with told_as_ours(location.name):
        newest = _open(location)
        if timestamp is not None:
            version = _version_at(open_store(location), newest.version(), timestamp, location.name)
        if version is None or version == newest.version():
            return newest
        return _open_version(location, version, newest.version())


def _open(location: TableLocation, version: int | None = None) -> DeltaTable:
    return DeltaTable(location.uri, version=version, storage_options=delta_options(location))


def _open_version(location: TableLocation, version: int, newest: int) -> DeltaTable:
    if not 0 <= version < newest:
        raise VersionNotFoundError(
            f"The table {location.name} has no version {version}.",
            hint=f"Its newest version is {newest}.",
        )
    try:
        return _open(location, version)
    except DeltaError as error:
        raise VersionNotFoundError(
            f"The log of {location.name} no longer reaches back to version {version}.",
            hint="Old log entries are cleaned up after delta.logRetentionDuration.",
        ) from error


def _version_at(store: ObjectStore, newest: int, timestamp: datetime, table: Name) -> int:
    # delta-rs goes by the times of the log's files, which S3 keeps in whole seconds, and answers
    # version 0 for a time before the table was made
    wanted = timestamp if timestamp.tzinfo is not None else timestamp.replace(tzinfo=UTC)
    low, high = -1, newest
    while low < high:
        middle = (low + high + 1) // 2
        at = commit_time(store, middle)
        if at is None or at <= wanted:  # an entry that was cleaned up is older than all others
            low = middle
        else:
            high = middle - 1
    if low < 0 or commit_time(store, low) is None:
        raise VersionNotFoundError(
            f"The log of {table} knows no version at {wanted.isoformat()}: it begins later.",
            hint="Give a later timestamp.",
        )
    return low


def commit_time(store: ObjectStore, version: int) -> datetime | None:
    """When a version was committed, or None when its log entry is gone."""
    info = commit_info(store, version)
    if info is None:
        return None
    return datetime.fromtimestamp(info["timestamp"] / 1000, UTC)


def commit_info(store: ObjectStore, version: int) -> dict[str, Any] | None:
    """Who committed a version, when and how, or None when its log entry is gone.

    ``DeltaTable.history`` of an older version gives the newest commits under wrong numbers.
    """
    try:
        answer = obstore.get(store, f"_delta_log/{version:020d}.json")
    except FileNotFoundError:
        return None
    for line in bytes(answer.bytes()).splitlines():
        info = json.loads(line).get("commitInfo")
        if info is not None and "timestamp" in info:
            return dict(info)
    return {"timestamp": int(answer.meta["last_modified"].timestamp() * 1000)}
