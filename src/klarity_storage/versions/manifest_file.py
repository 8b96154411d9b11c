"""A manifest's bytes, decoded a row group at a time: of a million files few are looked at."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from klarity_storage.errors import InvalidManifestError
from klarity_storage.versions.engine_errors import first_line
from klarity_storage.versions.manifest import checked, decoded
from klarity_storage.versions.manifest_index import group_starts


class ManifestFile:
    """A whole manifest.

    Args:
        data: the bytes of the Parquet file.
        what: which manifest, for errors.

    Raises:
        InvalidManifestError: it is not Parquet.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        try:
            self.metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InvalidManifestError(f"{what} is not a manifest: {first_line(error)}.") from error
        self.starts = group_starts(self.metadata)
        """The row that each row group begins with, and the number of all rows."""

    def __len__(self) -> int:
        return self.starts[-1]

    def columns(self, *names: str) -> pa.Table:
        """Some columns of all rows, which are not checked but for their types."""
        return decoded(self._opened, self._what, columns=names)

    def all(self) -> pa.Table:
        """All rows, checked."""
        return checked(self._opened, self._what)

    def group(self, number: int) -> pa.Table:
        """The rows of one row group, checked."""
        return checked(self._opened, self._what, [number])

    def firsts(self) -> list[str]:
        """The first path of each row group."""
        paths = self.columns("path")["path"]
        return [paths[start].as_py() for start in self.starts[:-1] if start < len(paths)]

    def _opened(self) -> pq.ParquetFile:
        # each time anew: one is not to be read by two threads at once
        return pq.ParquetFile(pa.BufferReader(self._data), metadata=self.metadata)
