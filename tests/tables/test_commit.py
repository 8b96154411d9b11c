"""What every operation leaves in files and protocol."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet
import pytest
from deltalake import DeltaTable

from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.location import Locate
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.push import push_table
from tables.changes import BY, NAN, SIGNED, small_files
from tables.conftest import Place

OPERATIONS: dict[str, Callable[[Locate], object]] = {
    "delete": lambda locate: delete_rows(locate, "id = 0", SIGNED),
    "merge": lambda locate: push_table(
        locate, {"id": [0], "x": [5.0], "l": [[NAN]]}, by=BY, mode="merge", keys=["id"]
    ),
    "overwrite": lambda locate: push_table(
        locate, {"id": [0], "x": [NAN], "l": [[1.0]]}, by=BY, mode="overwrite", where="id = 0"
    ),
    "evolve": lambda locate: push_table(locate, {"id": [99], "z": [NAN]}, by=BY, evolve=True),
    "optimize": lambda locate: optimize_table(locate, [], SIGNED),
    "z-order": lambda locate: optimize_table(locate, ["id"], SIGNED),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_writes_statistics_of_floats_or_asks_more_of_readers(
    on_disk: Place, operation: str
) -> None:
    runs = on_disk("runs")
    small_files(runs)
    before = set(DeltaTable(runs().uri).file_uris())

    OPERATIONS[operation](runs)

    table = DeltaTable(runs().uri)
    new = set(table.file_uris()) - before
    assert new
    for uri in new:
        group = pa.parquet.ParquetFile(uri.removeprefix("file://")).metadata.row_group(0)
        for number in range(group.num_columns):
            chunk = group.column(number)
            assert chunk.is_stats_set == (chunk.path_in_schema == "id"), chunk.path_in_schema
            assert chunk.compression == "ZSTD"
    protocol = table.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    assert not protocol.reader_features
    assert not any("deletionVectors" in key for key in table.metadata().configuration)
