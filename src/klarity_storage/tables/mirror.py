"""One version of a table as a Delta table of its own, on this disk.

Its log is a checkpoint and the one commit that made the version, under the version's own number:
whoever asks the mirror for another version is told that it does not have it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import obstore
import pyarrow as pa
from deltalake import DeltaTable
from obstore.store import ObjectStore

from klarity_storage.errors import IntegrityError, InvalidDataError
from klarity_storage.layout import Name
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.fetch import fetch
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.log_entries import entry_path, object_path

Link = Callable[[Path, Path], None]
"""Lets a file that stays as it is appear under a second path: as a hard link, or a copy."""

Files = dict[str, int]
"""Keys below the table's prefix, and sizes."""

_ENTRY = re.compile(r"(\d{20})\.(json|checkpoint(?:\.[^/]+)?\.(?:parquet|json))")
_AT_ONCE = 6
_READ_ONLY = 0o444


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came over the wire."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and how its bytes are read: by a store whose keys renew themselves.

    Attributes:
        location: where it lies.
        store: the bucket, or the directory of local mode.
    """

    location: TableLocation
    store: ObjectStore

    @property
    def name(self) -> Name:
        return self.location.name


def mirror_snapshot(
    source: Source, table: DeltaTable, target: Path, *, known: Sequence[Path], link: Link
) -> Fetched:
    """Write a version of a table into an empty folder; its data files are read-only.

    Args:
        source: where it is read.
        table: the version, opened.
        target: the folder, which nobody knows yet.
        known: folders that may hold some of its files: those are linked, not fetched.
        link: how.

    Raises:
        InvalidDataError: files of the table lie elsewhere.
        IntegrityError: what came is not what the log says.
    """
    with told_as_ours(source.name):
        files = data_files(table, source.name)
        (target / "_delta_log").mkdir(parents=True)
        _copy_log(source, table.version(), target)
        _condense(source.name, table, target)
        vectors = _vectors(source, table)
        return _bring(source, files | vectors, target, known, link)


def data_files(table: DeltaTable, name: Name) -> Files:
    """The snapshot's Parquet files.

    Raises:
        InvalidDataError: one lies outside the table, as those of a shallow clone do.
    """
    actions = pa.table(table.get_add_actions())
    paths = [object_path(path) for path in actions["path"].to_pylist()]
    for path in paths:
        if path.startswith("/") or "://" in path or ".." in path.split("/"):
            raise InvalidDataError(
                f"The table {name} has a file that lies elsewhere: {path!r}.",
                hint="Copy the table's rows into a table of their own first.",
            )
    return dict(zip(paths, actions["size_bytes"].to_pylist(), strict=True))


def _copy_log(source: Source, version: int, target: Path) -> None:
    """The commits since the last checkpoint, and that one."""
    log = f"{source.name.prefix}_delta_log/"
    checkpoint = _last_checkpoint(source.store, log)
    if checkpoint is not None and checkpoint > version:  # an older version is wanted
        checkpoint = None
    start = None if checkpoint is None else f"{log}{checkpoint:020d}"
    listed = [
        item["path"].removeprefix(log)
        for page in obstore.list(source.store, log, offset=start)
        for item in page
    ]
    entries = [(int(m[1]), m[2]) for m in map(_ENTRY.fullmatch, listed) if m]
    if checkpoint is None:
        older = (v for v, kind in entries if kind == "checkpoint.parquet" and v <= version)
        checkpoint = max(older, default=-1)
    wanted = [
        f"{v:020d}.{kind}"
        for v, kind in entries
        if (checkpoint < v <= version and kind == "json")
        or (v == version and kind == "json")
        or (v == checkpoint and kind != "json")
    ]
    for name in [*wanted, *(name for name in listed if name.startswith("_sidecars/"))]:
        fetch(source.store, log + name, target / "_delta_log" / name)


def _last_checkpoint(store: ObjectStore, log: str) -> int | None:
    try:
        said = json.loads(bytes(obstore.get(store, f"{log}_last_checkpoint").bytes()))
    except FileNotFoundError:
        return None
    version: int = said["version"]
    return version


def _condense(name: Name, table: DeltaTable, target: Path) -> None:
    """Let a checkpoint at the version stand for all commits before it."""
    version = table.version()
    DeltaTable(str(target)).create_checkpoint()
    log = target / "_delta_log"
    for file in log.iterdir():
        entry = _ENTRY.fullmatch(file.name)
        if entry and int(entry[1]) < version:
            file.unlink()
    mirror = DeltaTable(str(target))
    if mirror.version() != version or data_files(mirror, name) != data_files(table, name):
        raise IntegrityError(
            f"The log of {name} does not tell version {version} when it is copied.",
            hint="Try again; if it stays, another tool wrote what cannot be mirrored.",
        )
    (log / Path(entry_path(version)).name).chmod(_READ_ONLY)


def _vectors(source: Source, table: DeltaTable) -> Files:
    """Files of deletion vectors: the log names them in a code of its own, so all are taken."""
    if "deletionVectors" not in (table.protocol().reader_features or ()):
        return {}
    return {
        item["path"].removeprefix(source.name.prefix): item["size"]
        for page in obstore.list(source.store, source.name.prefix)
        for item in page
        if item["path"].rpartition("/")[2].startswith("deletion_vector_")
    }


def _bring(
    source: Source, files: Files, target: Path, known: Sequence[Path], link: Link
) -> Fetched:
    local = [] if source.location.s3 else [Path(source.location.uri)]

    def bring(item: tuple[str, int]) -> int:
        path, size = item
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        for folder in (*known, *local):
            if _is_there(folder / path, size):
                link(folder / path, place)
                return 0
        fetch(source.store, source.name.prefix + path, place, size)
        place.chmod(_READ_ONLY)
        return 1

    with ThreadPoolExecutor(_AT_ONCE, "ks-mirror") as pool:
        came = list(pool.map(bring, files.items()))
    fetched = [size for size, new in zip(files.values(), came, strict=True) if new]
    return Fetched(len(fetched), sum(fetched))


def _is_there(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except FileNotFoundError:
        return False
