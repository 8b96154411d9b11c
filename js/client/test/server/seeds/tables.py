"""The space ``plots``: tables of every type, partitioned, evolved, wide, empty and long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from tables_data import TYPES
from vectors import delete_by_vector, map_columns

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation


def seed(admin: ks.Storage, _home: Path) -> dict[str, object]:
    """The tables, and a reader of them."""
    admin.create_space("plots")
    push(admin, "types", TYPES)
    push(admin, "empty", TYPES.slice(0, 0))
    push(admin, "wide", pa.table({f"c{at}": [at, None] for at in range(10_000)}))
    numbers = pa.table(
        {"n": pa.array(range(20_000)), "label": [f"l{at % 7}" for at in range(20_000)]}
    )
    push(admin, "numbers", numbers)
    for at in range(3):
        push(admin, "pieces", pa.table({"n": pa.array(range(at * 10, at * 10 + 10))}))
    five = pa.table(
        {"n": pa.array(range(5_000_000)), "half": pa.array(range(5_000_000)).cast("double")}
    )
    push(admin, "five", five)
    push(admin, "marked", pa.table({"id": [0, 1, 2, 3, 4]}))
    delete_by_vector(location(admin, "marked"), [1, 2])
    push(admin, "mapped", pa.table({"col-1": [0, 3, 4]}))
    map_columns(location(admin, "mapped"), {"col-1": "id"})
    admin.admin.create_user("dora")
    admin.admin.create_grant("user:dora", "reader", "plots")
    return {"reader": admin.admin.create_token("dora").secret}


def push(admin: ks.Storage, name: str, data: Any, **how: Any) -> None:
    """Write a table of the space."""
    admin.push_data_frame(f"plots/tables/{name}", data, **how)


def location(admin: ks.Storage, table: str) -> TableLocation:
    """Where a table lies, with keys to write there."""
    name = Name("plots", Kind.TABLES, table)
    keys = admin.credentials(str(name), write=True).current
    return TableLocation(name, f"s3://{keys.bucket}/{name}", keys)
