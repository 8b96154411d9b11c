"""Whether a sandbox's changes still hold for what its table has become."""

from __future__ import annotations

import json

from deltalake import DeltaTable
from obstore.store import ObjectStore

from klarity_storage.errors import ConflictError
from klarity_storage.layout import Name
from klarity_storage.tables.changes import FileChanges, fold_changes
from klarity_storage.tables.sandbox import Sandbox


def check_conflicts(
    sandbox: Sandbox, changes: FileChanges, reference: DeltaTable, store: ObjectStore
) -> None:
    """Make sure that changes hold for a table that may have moved on.

    Rows that were only appended hold whatever happened to the other rows. All other changes were
    worked out from the rows that the sandbox began with, so they hold while those are the rows.

    Args:
        sandbox: whose changes.
        changes: these.
        reference: the table as it is now.
        store: its prefix.

    Raises:
        ConflictError: they do not hold; what happened is told.
    """
    base = DeltaTable(sandbox.base.uri)
    if reference.metadata().id != base.metadata().id or reference.version() < base.version():
        raise _conflict(sandbox.name, "it is another table now: it was dropped and made anew")
    if reference.version() == base.version():
        return
    if _shape(reference) != _shape(base):
        raise _conflict(sandbox.name, "its columns or settings have changed")
    if (changes.metadata or changes.protocol) and _words(reference) != _words(base):
        raise _conflict(sandbox.name, "its description or metadata has changed on both sides")
    if changes.only_appends and not changes.removed:
        return
    theirs = fold_changes(store, base.version(), reference.version())
    if theirs is None:
        raise _conflict(sandbox.name, "its log no longer tells what happened")
    if theirs.changes_rows:
        raise _conflict(sandbox.name, f"rows were changed{_by(theirs)}")
    if theirs.removed.keys() & changes.removed.keys():
        raise _conflict(sandbox.name, f"files that the sandbox changed were rewritten{_by(theirs)}")


def _conflict(name: Name, reason: str) -> ConflictError:
    return ConflictError(
        f"The table {name} has moved on since the sandbox began: {reason}.",
        hint=f"ks table diff {name} shows your changes; ks table discard {name} drops them.",
    )


def _shape(table: DeltaTable) -> tuple[object, ...]:
    metadata, protocol = table.metadata(), table.protocol()
    settings = {k: v for k, v in metadata.configuration.items() if k.startswith("delta.")}
    features = (set(protocol.reader_features or ()), set(protocol.writer_features or ()))
    return json.loads(table.schema().to_json()), metadata.partition_columns, settings, features


def _words(table: DeltaTable) -> tuple[object, ...]:
    metadata = table.metadata()
    return metadata.name, metadata.description, metadata.configuration


def _by(changes: FileChanges) -> str:
    return f" by {', '.join(changes.authors)}" if changes.authors else ""
