"""One table, and what it holds."""

from __future__ import annotations

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.tables import TableInfo


class Table:
    """A Delta Lake table, as it was when it was looked up."""

    def __init__(self, info: TableInfo) -> None:
        self.info = info
        """Columns, rows, bytes, description, version."""

    def __repr__(self) -> str:
        return f"Table({self.ref!r}, version={self.info.version}, rows={self.info.rows})"

    @property
    def name(self) -> Name:
        return Name(self.info.space, Kind.TABLES, self.info.name)

    @property
    def ref(self) -> str:
        """``vision/tables/runs``."""
        return str(self.name)
