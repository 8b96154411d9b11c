"""A sandbox's changes into the table that it began as: one commit, or none.

delta-rs (1.6.6) can commit given files, but not together with new columns, nor remove a file that
has a deletion vector. So the commit is written here, from the actions of the sandbox's own log,
with the conditional PUT that delta-rs uses too. It carries a ``txn`` with the sandbox's id: a
promotion whose answer was lost, or that runs twice, is known and not done again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from deltalake import DeltaTable
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import LocalStore

from klarity_storage.errors import (
    ConflictError,
    IntegrityError,
    InvalidDataError,
    InvalidInputError,
)
from klarity_storage.layout import Name
from klarity_storage.tables.changes import FileChanges, fold_changes
from klarity_storage.tables.conflicts import check_conflicts
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.location import Locate, TableLocation, open_store
from klarity_storage.tables.log_entries import Action, object_path, write_entry
from klarity_storage.tables.sandbox import Sandbox
from klarity_storage.tables.snapshot import open_snapshot

_THERE_ALREADY = (AlreadyExistsError, FileExistsError, PreconditionError)
_RACES: Final = 50
"""Commits of others between our look and our commit, after which we give up."""

_FRESH = timedelta(minutes=5)
_WRITABLE: Final = {
    "appendOnly", "invariants", "checkConstraints", "changeDataFeed", "columnMapping",
    "deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck",
}  # fmt: skip
"""What a table may ask of a writer without each commit having to say more than these do."""


def sandbox_changes(sandbox: Sandbox) -> FileChanges:
    """What happened in a sandbox since it began."""
    with told_as_ours(sandbox.name):
        until = DeltaTable(sandbox.table.uri).version()
        changes = fold_changes(LocalStore(sandbox.table.uri), sandbox.version, until)
    if changes is None:
        raise IntegrityError(
            f"The log of the sandbox of {sandbox.name} was cleaned up.",
            hint="Push its rows to the table instead.",
        )
    return changes


def promote(
    sandbox: Sandbox,
    locate: Locate,
    *,
    by: str,
    message: str = "",
    info: dict[str, Any] | None = None,
) -> int:
    """Commit what a sandbox changed to the table that it began as.

    Args:
        sandbox: whose changes.
        locate: finds the table, with keys that may write.
        by: who promotes.
        message: why.
        info: what the commit says beside that, such as lineage.

    Returns:
        The version that the commit made.

    Raises:
        InvalidInputError: nothing was changed.
        ConflictError: the table has moved on in a way that excludes the changes.
        ForbiddenError: the keys may not write.
    """
    changes = sandbox_changes(sandbox)
    if changes.are_none:
        raise InvalidInputError(
            f"The sandbox of {sandbox.name} has no changes.", hint="Push to the table first."
        )
    until = DeltaTable(sandbox.table.uri).version()
    location = locate()
    reference = open_snapshot(location)
    with told_as_ours(sandbox.name, writing=True):
        if (done := _promoted(sandbox, reference, until)) is not None:
            return done
        _check_features(sandbox.name, reference)
        check_conflicts(sandbox, changes, reference, open_store(location))
        _upload(sandbox, changes, locate)
        actions = _actions(sandbox, changes, until, by, message, info or {})
        return _commit(sandbox, changes, actions, locate, until)


def _promoted(sandbox: Sandbox, reference: DeltaTable, until: int) -> int | None:
    """The table's version, when it has these changes already."""
    known = reference.transaction_version(sandbox.id)
    if known is None:
        return None
    if known == until:
        return reference.version()
    raise ConflictError(
        f"This sandbox of {sandbox.name} was promoted when it had {until - known} commits less.",
        hint=f"ks table discard {sandbox.name} begins anew; push the rest again.",
    )


def _check_features(name: Name, reference: DeltaTable) -> None:
    settings = reference.metadata().configuration
    unknown = set(reference.protocol().writer_features or ()) - _WRITABLE
    for setting in ("delta.enableRowTracking", "delta.enableInCommitTimestamps"):
        if settings.get(setting) == "true":
            unknown.add(setting)
    if unknown:
        raise InvalidDataError(
            f"The table {name} asks of a writer what promotion cannot do: {min(unknown)}.",
            hint="Push the rows to the table instead.",
        )


def _upload(sandbox: Sandbox, changes: FileChanges, locate: Locate) -> None:
    location = locate()
    for path, _ in changes.added:
        location = _renewed(location, locate)
        key = object_path(path)
        obstore.put(open_store(location), key, Path(sandbox.table.uri) / key)


def _renewed(location: TableLocation, locate: Locate) -> TableLocation:
    expires_at = location.s3.expires_at if location.s3 else None
    return locate() if expires_at and expires_at - _FRESH <= datetime.now(UTC) else location


def _actions(
    sandbox: Sandbox, changes: FileChanges, until: int, by: str, message: str, info: dict[str, Any]
) -> list[Action]:
    now = int(time.time() * 1000)
    commits = until - sandbox.version
    marks = {"dataChange": changes.changes_rows}
    told = {
        "timestamp": now,
        "operation": "PROMOTE",
        "operationParameters": {"from": str(sandbox.version), "commits": str(commits)},
        "isBlindAppend": changes.only_appends and not changes.removed,
        "userName": by,
        "userMetadata": message,
        **info,
    }
    return [
        {"commitInfo": told},
        *({kind: said} for kind, said in _settings(changes) if said),
        *(
            {"remove": remove | marks | {"deletionTimestamp": now}}
            for remove in changes.removed.values()
        ),
        *({"add": add | marks} for add in changes.added.values()),
        {"txn": {"appId": sandbox.id, "version": until, "lastUpdated": now}},
    ]


def _settings(changes: FileChanges) -> Sequence[tuple[str, dict[str, Any] | None]]:
    return ("protocol", changes.protocol), ("metaData", changes.metadata)


def _commit(
    sandbox: Sandbox, changes: FileChanges, actions: list[Action], locate: Locate, until: int
) -> int:
    for _ in range(_RACES):
        location = locate()
        store = open_store(location)
        reference = open_snapshot(location)
        if (done := _promoted(sandbox, reference, until)) is not None:
            return done  # an answer that was lost
        check_conflicts(sandbox, changes, reference, store)
        try:
            write_entry(store, reference.version() + 1, actions)
        except _THERE_ALREADY:
            continue  # somebody else has just committed: look again
        return reference.version() + 1
    raise ConflictError(f"Others commit to {sandbox.name} all the time.", hint="Try again later.")
