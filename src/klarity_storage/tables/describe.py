"""What a table holds, told from its log alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from klarity_storage.protocol.tables import Column, TableInfo
from klarity_storage.tables.failures import told_as_ours
from klarity_storage.tables.location import TableLocation, open_store
from klarity_storage.tables.snapshot import commit_time, open_snapshot


def describe_table(location: TableLocation, version: int | None = None) -> TableInfo:
    """Describe a version of a table, without reading its data.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        UnavailableError: the engine does not answer.
    """
    table = open_snapshot(location, version)
    with told_as_ours(location.name):
        files = pa.table(table.get_add_actions())
        metadata = table.metadata()
        updated = commit_time(open_store(location), table.version())
        return TableInfo(
            space=location.name.space,
            name=location.name.name,
            version=table.version(),
            description=metadata.description or "",
            columns=columns_of(table),
            partitions=list(metadata.partition_columns),
            rows=_rows(table, files),
            bytes=pc.sum(files["size_bytes"], min_count=0).as_py(),
            files=files.num_rows,
            metadata=own_metadata(table),
            created_at=_time(metadata.created_time),
            updated_at=updated,
        )


def columns_of(table: DeltaTable) -> list[Column]:
    """The table's columns, in its own order."""
    return [
        Column(
            name=field["name"],
            type=type_text(field["type"]),
            nullable=field["nullable"],
            comment=str(field["metadata"].get("comment", "")),
        )
        for field in json.loads(table.schema().to_json())["fields"]
    ]


def own_metadata(table: DeltaTable) -> dict[str, str]:
    """The table's metadata, without the settings that the format keeps beside them."""
    configuration = table.metadata().configuration
    return {key: value for key, value in configuration.items() if not key.startswith("delta.")}


def type_text(type_: Any) -> str:
    """A type of Delta's JSON schema in one line.

    >>> type_text({"type": "array", "elementType": "long", "containsNull": True})
    'array<long>'
    """
    if isinstance(type_, str):
        return type_
    if type_["type"] == "array":
        return f"array<{type_text(type_['elementType'])}>"
    if type_["type"] == "map":
        return f"map<{type_text(type_['keyType'])}, {type_text(type_['valueType'])}>"
    fields = (f"{field['name']}: {type_text(field['type'])}" for field in type_["fields"])
    return f"struct<{', '.join(fields)}>"


def _rows(table: DeltaTable, files: pa.Table) -> int | None:
    counts = files["num_records"] if "num_records" in files.column_names else None
    if files.num_rows and (counts is None or counts.null_count):
        return None
    rows: int = pc.sum(counts, min_count=0).as_py() if files.num_rows else 0
    if "deletionVectors" in (table.protocol().reader_features or ()):
        masks = pa.table(table.deletion_vectors())["selection_vector"]
        rows -= pc.sum(pc.invert(pc.list_flatten(masks)), min_count=0).as_py()
    return rows


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
