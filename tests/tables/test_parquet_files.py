from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext

from klarity_storage.errors import InvalidReferenceError, VersionNotFoundError
from klarity_storage.protocol.queries import TableQuery
from klarity_storage.tables.context import prepare
from klarity_storage.tables.page import open_page
from klarity_storage.tables.parquet_files import list_parquet_files
from klarity_storage.tables.push import push_table
from tables.conftest import Place
from tables.vectors import delete_by_vector

ROWS = pa.table(
    {
        "place": ["a b", "ü/ö", None, "a b"],
        "day": [date(2024, 1, 1)] * 3 + [None],
        "id": [2**53 + 1, -1, 3, 4],
        "score": [0.5, float("nan"), 1.5, 2.5],
        "price": [Decimal("1.5")] * 4,
    }
)


def test_files_come_in_the_order_of_rows(on_disk: Place) -> None:
    locate = on_disk("parts")
    for part in range(3):
        rows = ROWS.set_column(2, "id", pa.array(range(part * 4, part * 4 + 4)))
        push_table(locate, rows, by="user:alice", partition_by=["place", "day"])
    found, after = [], None
    while True:
        page = list_parquet_files(locate(), 2, limit=5, after=after)
        found += page.items
        after = page.next
        if after is None:
            break
    assert len(found) == 12
    assert page.direct
    root = locate().uri
    ids = [row for file in found for row in pq.read_table(f"{root}/{file.path}")["id"].to_pylist()]
    session = prepare(SessionContext(SessionConfig().with_target_partitions(1)))
    frame, _ = open_page(locate(), TableQuery(columns=["id"]), session)
    assert ids == [row["id"] for batch in frame.collect() for row in batch.to_pylist()]
    assert {tuple(file.partition.values()) for file in found} == {
        ("a b", "2024-01-01"), ("ü/ö", "2024-01-01"), (None, "2024-01-01"), ("a b", None),
    }  # fmt: skip


def test_bounds_are_those_that_hold(on_disk: Place) -> None:
    locate = on_disk("bounds")
    push_table(locate, ROWS, by="user:alice")
    (file,) = list_parquet_files(locate(), limit=1).items
    assert file.minima == {"place": "a b", "day": "2024-01-01", "id": "-1"}
    assert file.maxima == {"place": "ü/ö", "day": "2024-01-01", "id": "9007199254740993"}
    assert (file.nulls["place"], file.nulls["id"]) == (1, 0)
    assert (file.rows, file.partition) == (4, {})


def test_a_table_whose_files_do_not_tell_its_rows_is_not_read_directly(on_disk: Place) -> None:
    locate = on_disk("deleted")
    push_table(locate, ROWS, by="user:alice")
    delete_by_vector(locate(), [1, 2])
    assert not list_parquet_files(locate(), limit=1).direct
    assert list_parquet_files(locate(), 0, limit=1).direct


def test_what_is_not_there_is_named(on_disk: Place) -> None:
    locate = on_disk("named")
    push_table(locate, ROWS, by="user:alice")
    with pytest.raises(VersionNotFoundError):
        list_parquet_files(locate(), 3, limit=1)
    with pytest.raises(InvalidReferenceError, match="no file of version 0"):
        list_parquet_files(locate(), limit=1, after="nothing")
