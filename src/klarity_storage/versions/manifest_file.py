"""A manifest's bytes, decoded a row group at a time: of a million files few are looked at."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from klarity_storage.errors import InvalidManifestError
from klarity_storage.versions.engine_errors import first_line
from klarity_storage.versions.manifest import SHOWN, checked, decoded
from klarity_storage.versions.manifest_index import group_starts


class ManifestFile:
    """A whole manifest.

    Args:
        data: the bytes of the Parquet file.
        what: which manifest, for errors.
        bounded: whether it may come from anybody: nothing of it is unfolded before it was looked
            at (see `manifest_bounds`).

    Raises:
        InvalidManifestError: it is not Parquet, or has more rows than a manifest may.
    """

    def __init__(self, data: bytes, what: str, *, bounded: bool = False) -> None:
        self._data = data
        self._what = what
        self._look: Callable[[pa.Table], None] | None = None
        self._dictionaries: tuple[str, ...] = ()
        try:
            self.metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InvalidManifestError(f"{what} is not a manifest: {first_line(error)}.") from error
        if bounded:
            self._bind()
        self.starts = group_starts(self.metadata)
        """The row that each row group begins with, and the number of all rows."""

    def _bind(self) -> None:
        from klarity_storage.versions.manifest_bounds import (  # noqa: PLC0415 - Arrow's compute
            TEXTS,
            check_rows_claimed,
            check_texts,
        )

        try:
            check_rows_claimed(self.metadata)
        except InvalidManifestError as error:
            raise InvalidManifestError(f"{self._what} does not hold: {error}") from error
        there = [column.path for column in self.metadata.schema]
        shown = [name for name in SHOWN.names if name in there]
        self._look, self._dictionaries = check_texts, (*TEXTS, *shown)

    def __len__(self) -> int:
        return self.starts[-1]

    def columns(self, *names: str, group: int | None = None) -> pa.Table:
        """Some columns of all rows or of a group, which are not checked but for their types.

        All that there are without names.
        """
        groups = None if group is None else [group]
        return decoded(self._opened, self._what, columns=names, groups=groups, look=self._look)

    def all(self) -> pa.Table:
        """All rows, checked."""
        return checked(self._opened, self._what, look=self._look)

    def group(self, number: int) -> pa.Table:
        """The rows of one row group, checked."""
        return checked(self._opened, self._what, [number], self._look)

    def firsts(self) -> list[str]:
        """The first path of each row group."""
        paths = self.columns("path")["path"]
        return [paths[start].as_py() for start in self.starts[:-1] if start < len(paths)]

    def _opened(self) -> pq.ParquetFile:
        # each time anew: one is not to be read by two threads at once
        return pq.ParquetFile(
            pa.BufferReader(self._data),
            metadata=self.metadata,
            read_dictionary=list(self._dictionaries),
        )
