"""The space ``plots``: tables of every type, partitioned, evolved, wide, empty and long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from tables_data import TYPES

import klarity_storage as ks


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
    admin.admin.create_user("dora")
    admin.admin.create_grant("user:dora", "reader", "plots")
    return {"reader": admin.admin.create_token("dora").secret}


def push(admin: ks.Storage, name: str, data: Any, **how: Any) -> None:
    """Write a table of the space."""
    admin.push_data_frame(f"plots/tables/{name}", data, **how)
