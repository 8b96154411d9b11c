"""What commits did to the files of a table, folded into one step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from obstore.store import ObjectStore

from klarity_storage.tables.log_entries import Action, FileKey, file_key, read_entry


@dataclass(slots=True)
class FileChanges:
    """The files that a range of commits added and removed; one that came and went is in neither.

    Attributes:
        added: the ``add`` of each new file.
        removed: the ``remove`` of each file that was there before.
        metadata: the last ``metaData``, if there was one.
        protocol: the last ``protocol``, if there was one.
        only_appends: whether every commit just added rows, whatever the table held.
        only_merges: whether every commit that changed rows appended or merged.
        changes_rows: whether any commit said that it changed rows, as compacting does not.
        authors: who committed.
    """

    added: dict[FileKey, dict[str, Any]] = field(default_factory=dict)
    removed: dict[FileKey, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None
    protocol: dict[str, Any] | None = None
    only_appends: bool = True
    only_merges: bool = True
    changes_rows: bool = False
    authors: list[str] = field(default_factory=list)

    @property
    def are_none(self) -> bool:
        return not (self.added or self.removed or self.metadata or self.protocol)


def fold_changes(store: ObjectStore, after: int, until: int) -> FileChanges | None:
    """The changes of the commits behind one version, up to another.

    Returns:
        None when an entry is gone: old ones are cleaned up.
    """
    changes = FileChanges()
    for version in range(after + 1, until + 1):
        actions = read_entry(store, version)
        if actions is None:
            return None
        _fold(changes, actions)
    return changes


def _fold(changes: FileChanges, actions: Iterable[Action]) -> None:
    # removals first: a file whose deletion vector changed is removed and added in one commit
    listed = sorted(actions, key=lambda action: "remove" not in action)
    info: dict[str, Any] = {}
    files: list[dict[str, Any]] = []
    for action in listed:
        for kind, said in action.items():
            if kind == "remove":
                _remove(changes, said)
                files.append(said)
            elif kind == "add":
                _add(changes, said)
                files.append(said)
            elif kind == "metaData":
                changes.metadata = said
            elif kind == "protocol":
                changes.protocol = said
            elif kind == "commitInfo":
                info = said
    if files:  # others change settings, and no rows
        _note(changes, info, files, removes=any("remove" in action for action in listed))


def _remove(changes: FileChanges, remove: dict[str, Any]) -> None:
    if changes.added.pop(file_key(remove), None) is None:
        changes.removed[file_key(remove)] = remove


def _add(changes: FileChanges, add: dict[str, Any]) -> None:
    if changes.removed.pop(file_key(add), None) is None:  # otherwise it is back, by a restore
        changes.added[file_key(add)] = add


def _note(
    changes: FileChanges, info: dict[str, Any], files: list[dict[str, Any]], *, removes: bool
) -> None:
    operation = info.get("operation", "")
    mode = info.get("operationParameters", {}).get("mode", "")
    appends = operation == "WRITE" and mode == "Append" and not removes
    changes.only_appends &= appends
    changes_rows = any(file.get("dataChange", True) for file in files)
    changes.changes_rows |= changes_rows
    changes.only_merges &= appends or operation == "MERGE" or not changes_rows
    author = info.get("userName")
    if author and author not in changes.authors:
        changes.authors.append(author)
