"""The Parquet files of a version, for readers that read them by themselves."""

from __future__ import annotations

import json
from datetime import date, datetime
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.types as is_
from deltalake import DeltaTable

from klarity_storage.errors import InvalidReferenceError
from klarity_storage.protocol.tables import TableFile, TableFiles
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.log_entries import object_path
from klarity_storage.tables.plain import is_plain
from klarity_storage.tables.snapshot import open_snapshot

_BOUNDED = (is_.is_integer, is_.is_date, is_.is_string)
"""Columns whose minima and maxima in the log bound all values.

Those of floats leave NaN out, those of timestamps are cut to milliseconds, and those of decimals
have been floats.
"""


def list_parquet_files(
    location: TableLocation, version: int | None = None, *, limit: int, after: str | None = None
) -> TableFiles:
    """A page of the files of a version, in the order in which rows without an order come.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        InvalidReferenceError: the version has no such file to go on behind.
    """
    table = open_snapshot(location, version)
    with told_as_ours(location.name):
        schema = pa.schema(table.schema().to_arrow())
        files = _in_order(table)
        start = 0
        if after is not None:
            start = next((at for at, file in enumerate(files, 1) if file["path"] == after), -1)
        if start < 0:
            raise InvalidReferenceError(
                f"{after!r:.200} is no file of version {table.version()}.",
                hint="Send `next` of the page before, with the version that it names.",
            )
        bounded = [field.name for field in schema if any(fits(field.type) for fits in _BOUNDED)]
        items = [_told(file, bounded) for file in islice(files, start, start + limit)]
        return TableFiles(
            space=location.name.space,
            name=location.name.name,
            version=table.version(),
            columns=json.loads(table.schema().to_json())["fields"],
            partitions=list(table.metadata().partition_columns),
            direct=is_plain(table, schema) and not any("://" in file["path"] for file in files),
            items=items,
            next=items[-1].path if start + limit < len(files) else None,
        )


def _in_order(table: DeltaTable) -> list[dict[str, Any]]:
    """By path, and those of a partition one after the other."""
    files = pa.table(table.get_add_actions()).to_pylist()
    for file in files:
        file["path"] = object_path(file["path"])
    files.sort(key=lambda file: file["path"])
    partitions: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        partitions.setdefault(repr(file.get("partition")), []).append(file)
    return [file for part in partitions.values() for file in part]


def _told(file: dict[str, Any], bounded: list[str]) -> TableFile:
    values = file.get("partition") or {}
    low, high, nulls = (file.get(name) or {} for name in ("min", "max", "null_count"))
    return TableFile(
        path=file["path"],
        size=file["size_bytes"],
        rows=file.get("num_records"),
        partition={name: _text(value) for name, value in values.items()},
        minima={name: _text(low[name]) for name in bounded if low.get(name) is not None},
        maxima={name: _text(high[name]) for name in bounded if high.get(name) is not None},
        nulls={name: count for name, count in nulls.items() if isinstance(count, int)},
    )


def _text(value: Any) -> Any:
    """As a value of a filter is written: `protocol.queries.Value`, and all numbers as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
