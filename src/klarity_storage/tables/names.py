"""Which tables a space has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import obstore
from obstore.store import ObjectStore

from klarity_storage.errors import InvalidNameError, UnavailableError
from klarity_storage.layout import Kind, Name, kind_prefix

_LOOKUPS = 16
"""At once: a look-up waits for the engine, not for us."""


def list_tables(store: ObjectStore, space: str) -> list[Name]:
    """The space's tables by name: the folders that hold a Delta log with an entry.

    The store is the bucket, or the directory of local mode.

    Raises:
        InvalidNameError: the space's name breaks the naming rule.
        UnavailableError: the engine does not answer.
    """
    prefix = kind_prefix(space, Kind.TABLES)
    try:
        found = obstore.list_with_delimiter(store, prefix)["common_prefixes"]
        names = [name for name in (_named(space, path) for path in found) if name is not None]
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            holds = list(pool.map(lambda name: has_log(store, name), names))
    except (obstore.exceptions.BaseError, OSError) as error:
        raise UnavailableError(
            f"The storage engine does not list the tables of {space}.", hint="Wait and try again."
        ) from error
    return sorted(name for name, held in zip(names, holds, strict=True) if held)


def _named(space: str, path: str) -> Name | None:
    try:
        return Name(space, Kind.TABLES, path.rstrip("/").rpartition("/")[2])
    except InvalidNameError:  # put there by another tool: no reference could name it
        return None


def has_log(store: ObjectStore, name: Name) -> bool:
    """Whether a table's log has an entry."""
    try:
        obstore.head(store, f"{name.prefix}_delta_log/{0:020d}.json")
    except FileNotFoundError:
        # the first entry of an old table may have been cleaned up
        return any(True for page in obstore.list(store, f"{name.prefix}_delta_log/") if page)
    return True
