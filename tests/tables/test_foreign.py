"""Tables of other tools, which only delta-rs reads rightly."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from datafusion import SessionContext, col, udf
from deltalake import DeltaTable

from klarity_storage.errors import InvalidQueryError, QueryLimitError
from klarity_storage.protocol.queries import Order, TableQuery
from klarity_storage.tables import foreign
from klarity_storage.tables.context import new_context
from klarity_storage.tables.location import Locate, TableLocation, delta_options
from klarity_storage.tables.page import open_page
from klarity_storage.tables.plain import is_plain
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.conftest import CountingProxy, Place
from tables.vectors import delete_by_vector, map_columns

BY = "user:alice"


@pytest.fixture
def marked(place: Place) -> Locate:
    """A thousand rows, of which ten are marked as deleted."""
    locate = place("marked")
    columns = {"id": range(1000), "Name": [str(n) for n in range(1000)], "x": [0.5] * 1000}
    push_table(locate, columns, by=BY)
    delete_by_vector(locate(), list(range(10)))
    return locate


def opened(location: TableLocation) -> DeltaTable:
    return DeltaTable(location.uri, storage_options=delta_options(location))


def test_filters_and_columns_of_rows_that_are_marked_as_deleted(marked: Locate) -> None:
    assert scan(marked(), "id < 12", columns=["id"]).to_pydict() == {"id": [10, 11]}
    assert scan(marked(), col("id") < 11, columns=["x"]).to_pydict() == {"x": [0.5]}
    assert scan(marked(), "\"Name\" = '11'", columns=["id"]).to_pydict() == {"id": [11]}
    assert scan(marked(), "x = 0.5", "id = 5").count() == 0
    with pytest.raises(InvalidQueryError, match="no column 'idd'"):
        scan(marked(), "idd < 12", columns=["id"])


def test_functions_of_the_session_work_on_them(marked: Locate) -> None:
    session = SessionContext()
    session.register_udf(
        udf(lambda ids: pa.array([n.as_py() == 20 for n in ids]), [pa.int64()], pa.bool_(),
            "immutable", "twenty")
    )  # fmt: skip

    found = scan(marked(), "twenty(id)", columns=["id"], context=session)

    assert found.to_pydict() == {"id": [20]}


def test_pages_of_them(marked: Locate) -> None:
    query = TableQuery(columns=["Name"], order_by=[Order(column="id", descending=True)], limit=2)

    frame, version = open_page(marked(), query, new_context())

    assert frame.to_pydict() == {"Name": ["999", "998"]}
    assert version == 1


def test_mapped_columns_are_read_by_their_names(place: Place) -> None:
    """delta-rs maps them; its ``to_pyarrow_table`` reads nulls."""
    mapped = place("mapped")
    push_table(mapped, {"col-a": [1, 2, 3], "col-b": ["x", "y", "z"]}, by=BY)
    map_columns(mapped(), {"col-a": "id", "col-b": "name"})
    table = opened(mapped())

    assert not is_plain(table, pa.schema(table.schema().to_arrow()))
    assert scan(mapped(), "id > 1").to_pydict() == {"id": [2, 3], "name": ["y", "z"]}
    assert scan(mapped(), "id > 1", columns=["name"]).to_pydict() == {"name": ["y", "z"]}
    assert scan(mapped()).filter(col("name") == "x").to_pydict() == {"id": [1], "name": ["x"]}


def test_more_than_is_held_is_refused_with_the_remedy(
    on_s3: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = on_s3("marked")
    push_table(marked, {"id": range(1000), "text": ["x" * 100] * 1000}, by=BY)
    delete_by_vector(marked(), [0, 1])
    monkeypatch.setattr(foreign, "IN_MEMORY", 20_000)

    with pytest.raises(QueryLimitError, match="deletion vectors") as told:
        scan(marked())
    assert f"ks table cache {marked().name}" in str(told.value.hint)
    assert scan(marked(), columns=["id"]).count() == 998
    assert scan(marked(), "id < 5").count() == 3


def test_only_the_columns_and_files_that_are_asked_for_are_fetched(
    on_s3: Place, proxy: CountingProxy
) -> None:
    count = 400_000
    noise = np.random.default_rng(1).integers(0, 1 << 62, count)
    push_table(on_s3("marked"), {"id": np.arange(count), "noise": noise}, by=BY)
    delete_by_vector(on_s3("marked")(), [0, 1])
    keys = on_s3("marked")().s3
    assert keys is not None
    marked = on_s3("marked", msgspec.structs.replace(keys, endpoint=proxy.endpoint))

    def fetched(*filters: str, columns: list[str] | None = None) -> int:
        before = proxy.received
        scan(marked(), *filters, columns=columns).collect()
        return proxy.received - before

    whole = fetched()

    assert whole > 3_000_000
    assert fetched(columns=["id"]) < whole / 2
    assert fetched(f"id > {count}") < whole / 20
