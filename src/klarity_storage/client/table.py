"""One table: what it holds, and the way to its rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.tables import TableInfo

if TYPE_CHECKING:
    import datafusion

    from klarity_storage.client.backend import Backend


class Table:
    """A Delta Lake table, as it was when it was looked up."""

    def __init__(self, backend: Backend, info: TableInfo) -> None:
        self._backend = backend
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

    def data_frame(
        self,
        *filters: Any,
        columns: list[str] | None = None,
        version: int | None = None,
        timestamp: datetime | str | None = None,
        limit: int | None = None,
    ) -> datafusion.DataFrame:
        """Its rows, lazily; see ``Storage.get_data_frame``."""
        from klarity_storage.tables.scan import scan  # noqa: PLC0415 - loads DataFusion

        return scan(
            self._backend.locate(self.name, Operation.READ),
            *filters,
            columns=columns,
            version=version,
            timestamp=timestamp,
            limit=limit,
        )
