"""Around every change of a table: keys that last, errors that are ours, and who was first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import obstore
import pyarrow as pa
from deltalake import DeltaTable
from obstore.exceptions import PreconditionError

from klarity_storage.errors import AlreadyExistsError, ConflictError, StorageError
from klarity_storage.protocol.tables import TableVersion
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.history import read_versions
from klarity_storage.tables.lasting import lasting
from klarity_storage.tables.location import Locate, TableLocation, open_store
from klarity_storage.tables.snapshot import open_snapshot


@dataclass(frozen=True, slots=True)
class Change:
    """A table that is about to be changed."""

    location: TableLocation
    table: DeltaTable
    schema: pa.Schema


@contextmanager
def changing(locate: Locate, *, brief: bool = False) -> Iterator[Change]:
    """Open a table to change it.

    Args:
        locate: finds it.
        brief: whether its keys are not renewed. delta-rs keeps Python from running, and so from
            giving it keys, for as long as it restores.

    Raises:
        TableNotFoundError: there is no such table.
        ForbiddenError: the keys may not write here.
        ConflictError: somebody else changed it meanwhile in a way that excludes this.
    """
    with nullcontext(locate()) if brief else lasting(locate) as location:
        table = open_snapshot(location)
        check_writable(location)
        with told_who_was_first(location, table.version()):
            yield Change(location, table, pa.schema(table.schema().to_arrow()))


@contextmanager
def told_who_was_first(location: TableLocation, began: int) -> Iterator[None]:
    """Raise our errors; a ConflictError says what others committed after version ``began``."""
    try:
        with told_as_ours(location.name, writing=True):
            yield
    except AlreadyExistsError:
        raise
    except ConflictError as error:
        others = _others(location, began)
        if not others:
            raise
        raise ConflictError(
            f"Somebody else changed {location.name} at the same time: {'; '.join(others)}.",
            hint="Nothing was committed: read the table again and repeat the change.",
        ) from error


def check_writable(location: TableLocation) -> None:
    """Ask the engine whether these keys may write, with a PUT whose condition cannot hold.

    delta-rs, refused in the middle of a Parquet file, also prints a panic of its own thread.
    """
    if location.s3 is None:
        return
    with told_as_ours(location.name, writing=True):
        try:
            obstore.put(
                open_store(location), "_delta_log/_write_check", b"", mode={"e_tag": '"none"'}
            )
        except (PreconditionError, FileNotFoundError):
            return


def _others(location: TableLocation, began: int) -> list[str]:
    try:
        newest = open_snapshot(location).version()
        since = read_versions(location, newest, limit=min(newest - began, 5))
    except StorageError:  # what happened is told all the same, without who
        return []
    return [_told(entry) for entry in since]


def _told(entry: TableVersion) -> str:
    who = entry.author or "somebody"
    when = f" at {entry.time:%H:%M:%S} UTC" if entry.time else ""
    why = f" ({entry.message})" if entry.message else ""
    return f"{who} committed version {entry.version}{when} by {entry.operation}{why}"
