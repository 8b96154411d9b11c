"""The names of a space that hold a version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from obstore.store import ObjectStore

from klarity_storage.errors import InvalidNameError
from klarity_storage.layout import Kind, Name, kind_prefix
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.log import has_entries

_READERS = 16


def list_names(
    store: ObjectStore, space: str, kind: Kind, *, uncommitted: bool = False
) -> list[Name]:
    """The names of a kind that something was committed under, sorted.

    A push that never came to its commit leaves a folder, but no name; ``uncommitted`` lists those
    folders too.
    """
    prefix = kind_prefix(space, kind)
    with told_as_ours(f"the {kind} of {space}"):
        folders = store.list_with_delimiter(prefix)["common_prefixes"]
    names = [name for folder in folders if (name := _name(space, kind, folder))]
    if uncommitted:
        return sorted(names)
    with ThreadPoolExecutor(_READERS, "ks-names") as pool:
        committed = list(pool.map(lambda name: has_entries(store, name), names))
    return sorted(name for name, kept in zip(names, committed, strict=True) if kept)


def list_spaces(store: ObjectStore) -> list[str]:
    """The folders at the top that can be spaces, sorted: how local mode knows its spaces."""
    with told_as_ours("the list of spaces"):
        folders = store.list_with_delimiter(None)["common_prefixes"]
    return sorted(folder for folder in folders if _name(folder, Kind.DATASETS, "x"))


def _name(space: str, kind: Kind, folder: str) -> Name | None:
    try:
        return Name(space, kind, folder.rstrip("/").rpartition("/")[2])
    except InvalidNameError:
        return None  # not ours: a foreign tool may have put a folder there
