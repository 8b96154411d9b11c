"""Tables: Delta Lake tables under ``<space>/tables/<name>/``."""

from __future__ import annotations

from datetime import datetime

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


class TableName(Response, frozen=True):
    space: str
    name: str


class TableList(Response, frozen=True):
    items: list[TableName]
