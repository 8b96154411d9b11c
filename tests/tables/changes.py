"""What tests of changed tables share."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from klarity_storage.tables.commit import Signature
from klarity_storage.tables.location import Locate
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan

NAN = float("nan")
BY = "user:alice"
SIGNED = Signature(BY, "because", ("vision/datasets/cats@abc",))


def column(locate: Locate, name: str = "id") -> list[Any]:
    table = pa.table(scan(locate()))
    return table.sort_by(table.column_names[0])[name].to_pylist()  # type: ignore[no-any-return]


def uris(locate: Locate) -> list[str]:
    from klarity_storage.tables.snapshot import open_snapshot

    return open_snapshot(locate()).file_uris()


def small_files(locate: Locate, number: int = 4) -> None:
    for each in range(number):
        push_table(locate, {"id": [each, each + 10], "x": [NAN, 1.0], "l": [[NAN], [2.0]]}, by=BY)
