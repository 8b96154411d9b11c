"""Tables: Delta Lake tables under ``<space>/tables/<name>/``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from klarity_storage.protocol.base import Response


class Column(Response, frozen=True):
    name: str
    type: str
    """As Delta names it: ``long``, ``string``, ``decimal(10,2)``, ``struct<…>``."""
    nullable: bool = True
    comment: str = ""


class TableInfo(Response, frozen=True):
    """What a table holds at one version."""

    space: str
    name: str
    version: int
    description: str
    columns: list[Column]
    partitions: list[str]
    rows: int | None
    """None where the log has no count for some file."""
    bytes: int
    files: int
    metadata: dict[str, str]
    created_at: datetime | None
    updated_at: datetime | None


class TableFile(Response, frozen=True, kw_only=True):
    """A Parquet file of a version of a table."""

    path: str
    """Below the table: ``/files/{space}/tables/{table}/{path}``, each segment escaped."""
    size: int
    """In bytes."""
    rows: int | None
    """None where the log does not tell."""
    partition: dict[str, str | bool | None] = {}
    """What all its rows have in the columns of the table's partitions; numbers are text."""
    minima: dict[str, str] = {}
    maxima: dict[str, str] = {}
    """Bounds of columns, of whole numbers, dates and text: not all that bound are values."""
    nulls: dict[str, int] = {}
    """How many nulls a column has in it."""


class TableFiles(Response, frozen=True, kw_only=True):
    """The files of a version, a page at a time, in the order in which rows without one come."""

    space: str
    name: str
    version: int
    columns: list[dict[str, Any]]
    """As Delta Lake's log has them."""
    partitions: list[str]
    direct: bool
    """Whether the rows are those of the files, in the columns that stand in them.

    Not where rows are marked as deleted, or columns are mapped: such a table is read by queries.
    """
    items: list[TableFile]
    next: str | None = None
    """``after`` of the next page, of the same version."""


class TableName(Response, frozen=True):
    space: str
    name: str


class TableList(Response, frozen=True):
    items: list[TableName]


class TableVersion(Response, frozen=True, kw_only=True):
    """A commit of a table: who changed it, when, why, from what, and by how much."""

    version: int
    time: datetime | None
    author: str
    """``user:alice``; empty where another program did not say."""
    message: str
    operation: str
    """As the writer named it: ``WRITE``, ``MERGE``, ``DELETE``, ``OPTIMIZE``, …"""
    lineage: list[str] = []
    """What the rows were made from."""
    rows_added: int | None
    """In new files, those that were only moved there included; None where the log does not say."""
    rows_removed: int | None
    bytes_added: int | None
    bytes_removed: int | None
    files_added: int
    files_removed: int


class TableHistory(Response, frozen=True):
    """Newest first."""

    items: list[TableVersion]


class RowsDeleted(Response, frozen=True):
    version: int
    rows: int | None
    """None where whole files went of which the log does not say how many they held."""
    raw_binaries: int = 0
    """How many files beside the rows went with them."""


class Optimized(Response, frozen=True, kw_only=True):
    """A table's files before and after they were laid together."""

    version: int
    files_removed: int
    files_added: int
    bytes_removed: int
    bytes_added: int


class UnusedFile(Response, frozen=True):
    path: str
    """Relative to the table."""
    size: int
    modified: datetime


class Vacuumed(Response, frozen=True, kw_only=True):
    """Files that no version within the retention needs, or that were deleted."""

    dry_run: bool
    files: int
    bytes: int
    items: list[UnusedFile] = []


class Dropped(Response, frozen=True, kw_only=True):
    """What a table consists of, with the binaries of its rows, or what was deleted."""

    dry_run: bool
    objects: int
    bytes: int


class CachedTable(Response, frozen=True, kw_only=True):
    """A table that is read, or read and written, on this disk."""

    space: str
    name: str
    mode: str
    """``ro``, ``sandbox`` or ``redirect``."""
    version: int | None
    """Which version it holds, or began as; None where there is nothing yet."""
    pinned: bool = False
    files: int = 0
    bytes: int = 0
    """Of its data files; a sandbox shares them with what it began as."""
    fetched_files: int = 0
    """What this call brought."""
    fetched_bytes: int = 0
    commits: int = 0
    """What a sandbox has of its own, and is not promoted."""
    folder: str = ""
    """A Delta table that any reader reads; a redirected table's file."""
    declared_in: str
    """The ``.safenai`` file."""


class CachedTableList(Response, frozen=True):
    items: list[CachedTable]


class TableDiff(Response, frozen=True, kw_only=True):
    """How a sandbox differs from what it began as."""

    space: str
    name: str
    base: int
    """The version that it began as."""
    commits: int
    keys: list[str]
    """By which rows are the same row; with none, a changed row is one removed and one added."""
    added: int
    removed: int
    changed: int
    new_columns: list[str] = []
    lost_columns: list[str] = []
