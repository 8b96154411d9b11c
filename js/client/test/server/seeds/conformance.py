"""Tables of every kind, and questions to them with the answers of DataFusion in Python."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from conformance_queries import QUERIES
from datafusion import SessionContext
from deltalake import convert_to_deltalake
from tables_data import TYPES

import klarity_storage as ks

ROWS = 60_000


def seed(admin: ks.Storage, home: Path) -> dict[str, object]:
    """The space ``grid``; its questions are `cases`."""
    admin.create_space("grid")
    push(admin, "types", TYPES)
    push(admin, "parts", parts(0), partition_by=["place", "day", "level"])
    push(admin, "parts", parts(7))
    push(admin, "evolved", pa.table({"id": [1, 2], "box": [{"x": 1}, None]}))
    grown = pa.table({"id": [3], "box": [{"x": 2, "y": "new"}], "added": [0.5]})
    push(admin, "evolved", grown, evolve=True)
    push(admin, "long", long_table())
    foreign(admin, home)
    admin.admin.create_user("erik")
    admin.admin.create_grant("user:erik", "reader", "grid")
    return {"reader": admin.admin.create_token("erik").secret, "cases": json.dumps(answers(admin))}


def push(admin: ks.Storage, name: str, data: Any, **how: Any) -> None:
    admin.push_data_frame(f"grid/tables/{name}", data, **how)


def parts(start: int) -> pa.Table:
    """Rows of many partitions, their names hard to write in a path."""
    places = ["a b", "ü/ö %41", None, "a b", "x=y", "a b", None]
    days = [date(2024, 1, 1), None, date(2024, 1, 2), date(2024, 1, 1), None, None, date(1, 1, 1)]
    levels = pa.array([1, -(2**40), None, 2, 2**53 + 1, 1, 1], pa.int64())
    ids = list(range(start, start + 7))
    return pa.table({"place": places, "day": days, "level": levels, "id": ids})


def long_table() -> pa.Table:
    """Several pages of each column, sorted by the first."""
    at = range(ROWS)
    return pa.table(
        {
            "key": pa.array(at, pa.int64()),
            "sparse": pa.array([None if row % 3 else row for row in at], pa.int32()),
            "score": [math.nan if row % 1000 == 7 else (row * 7919 % 1000) / 8 for row in at],
            "label": [None if row % 11 == 0 else f"label-{row % 97:02}" for row in at],
            "time": pa.array(
                [1_700_000_000_000_000 + row * 1_000_003 for row in at], pa.timestamp("us", "UTC")
            ),
            "items": [None if row % 5 == 0 else [row] * (row % 3) for row in at],
            "noise": [(row * 2654435761) % 2**32 * 2**20 for row in at],
        }
    )


def foreign(admin: ks.Storage, home: Path) -> None:
    """Files of other writers: encodings, packings and types that ours does not write."""
    data = pa.table(
        {
            "id": pa.array(range(3000), pa.int64()),
            "small": pa.array([row % 7 - 3 for row in range(3000)], pa.int32()),
            "text": [None if row % 13 == 0 else f"t{row // 5:05}" for row in range(3000)],
            "f": [row / 3 for row in range(3000)],
            "f32": pa.array([row / 3 for row in range(3000)], pa.float32()),
            "yes": [None if row % 4 == 0 else row % 2 == 0 for row in range(3000)],
            "at": pa.array([row * 1_234_567 for row in range(3000)], pa.timestamp("us", "UTC")),
            "price": pa.array([None if row % 9 == 0 else row for row in range(3000)], pa.int64())
            .cast(pa.decimal128(19, 0)).cast(pa.decimal128(25, 3)),
            "list": [[row, None] if row % 2 else [] for row in range(3000)],
        }
    )  # fmt: skip
    folder = home / "foreign"
    folder.mkdir()
    encodings = {
        "id": "DELTA_BINARY_PACKED", "small": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY",
        "f": "BYTE_STREAM_SPLIT", "f32": "BYTE_STREAM_SPLIT", "yes": "RLE",
    }  # fmt: skip
    plain = {"use_dictionary": False, "row_group_size": 1000, "data_page_size": 2000}
    pq.write_table(data.slice(0, 1000), folder / "1.parquet", compression="snappy")
    pq.write_table(
        data.slice(1000, 1000), folder / "2.parquet", compression="zstd",
        data_page_version="2.0", column_encoding=encodings, write_page_index=True, **plain,
    )  # fmt: skip
    pq.write_table(
        data.slice(2000, 1000), folder / "3.parquet", compression="none",
        use_deprecated_int96_timestamps=True, store_decimal_as_integer=True, **plain,
    )  # fmt: skip
    keys = admin.credentials("grid/tables/foreign", write=True)
    store = keys.obstore()
    for file in sorted(folder.iterdir()):
        obstore.put(store, f"grid/tables/foreign/{file.name}", file)
    convert_to_deltalake(
        f"s3://{keys.current.bucket}/grid/tables/foreign",
        storage_options=keys.storage_options() | {"aws_conditional_put": "etag"},
    )


def answers(admin: ks.Storage) -> list[dict[str, Any]]:
    """Each question, and its answer as DataFusion gives it to SQL."""
    session = SessionContext()
    for name in sorted({table for table, *_ in QUERIES}):
        session.from_arrow(admin.get_data_frame(f"grid/tables/{name}").to_arrow_table(), name)
    found = []
    for table, query, where, more in QUERIES:
        names = (name.replace('"', '""') for name in query.get("columns", []))
        columns = ", ".join(f'"{name}"' for name in names) or "*"
        batches = session.sql(f"select {columns} from {table} where {where} {more}").collect()
        expected = [row for batch in batches for row in plain(batch)]
        found.append({"table": table, "query": query, "expected": expected})
    return found


def plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as JSON: what it does not have is text."""
    columns = [[value(item) for item in column] for column in batch.columns]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def value(scalar: pa.Scalar) -> Any:
    """As the test writes the client's values."""
    written = next((write for fits, write in NESTED if fits(scalar.type)), simple)
    return written(scalar) if scalar.is_valid else None


def simple(scalar: pa.Scalar) -> Any:
    """A number that JSON holds as it is, or text."""
    found = scalar.as_py()
    if isinstance(found, float):
        return found if math.isfinite(found) and repr(found) != "-0.0" else repr(found)
    if isinstance(found, int):
        return found if abs(found) < 2**53 else str(found)
    if isinstance(found, bytes):
        return found.hex()
    return f"{found:f}" if isinstance(found, Decimal) else str(found)


def entries(scalar: pa.Scalar) -> list[list[Any]]:
    found = (scalar.values[at] for at in range(len(scalar.values)))
    return [[value(entry["key"]), value(entry["value"])] for entry in found]


def moment(scalar: pa.Scalar) -> str:
    seconds, part = divmod(scalar.cast(pa.timestamp("us", scalar.type.tz)).value, 10**6)
    text = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()  # noqa: DTZ001
    if part:
        text += f".{part:06}".removesuffix("000")
    return text + ("Z" if scalar.type.tz else "")


NESTED: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Scalar], Any]]] = [
    (pa.types.is_list, lambda scalar: [value(item) for item in scalar.values]),
    (pa.types.is_struct, lambda scalar: {name: value(item) for name, item in scalar.items()}),
    (pa.types.is_map, entries),
    (pa.types.is_timestamp, moment),
]
