"""What a table holds, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klarity_storage.cli import _format

if TYPE_CHECKING:
    from klarity_storage.protocol.tables import TableInfo


def row_count(info: TableInfo) -> str:
    return "an unknown number of rows" if info.rows is None else _format.things(info.rows, "row")
