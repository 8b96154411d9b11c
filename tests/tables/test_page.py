from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext

from klarity_storage.errors import InvalidQueryError
from klarity_storage.protocol.queries import GreaterOrEqual, TableQuery
from klarity_storage.tables.context import new_context, prepare
from klarity_storage.tables.location import Locate
from klarity_storage.tables.page import open_page
from klarity_storage.tables.push import push_table
from tables.conftest import Place
from tables.vectors import delete_by_vector

MOMENTS = [0, None, 253402300799999999, -62135596800000000, 1704067200123456]
ROWS = pa.table(
    {
        "row": [1, 2, 3, 4, 5],
        "id": pa.array([1, 2**53 + 1, -(2**63), None, 2**63 - 1], pa.int64()),
        "small": pa.array([1, 2, 3, None, 127], pa.int8()),
        "f": [0.1, float("nan"), None, float("inf"), -1.5],
        "f32": pa.array([0.1, 0.2, None, 3, 4], pa.float32()),
        'a "text"': ["it's", "a%b", None, 'q"q', "ü"],
        "yes": [True, False, None, True, False],
        "price": pa.array(
            [Decimal("1.10"), Decimal("-99999999.99"), None, Decimal("0.01"), Decimal(5)],
            pa.decimal128(10, 2),
        ),
        "day": [date(2024, 1, 1), None, date(1, 1, 1), date(9999, 12, 31), date(2024, 1, 2)],
        "at": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
        "local": pa.array(MOMENTS, pa.timestamp("us")),
        "parts": [[1], None, [], [2], [3]],
    }
)
TEXT = 'a "text"'


@pytest.fixture
def table(on_disk: Place) -> Locate:
    locate = on_disk("types")
    push_table(locate, ROWS, by="user:alice")
    return locate


def in_pages(table: Locate, size: int, **query: Any) -> list[list[int]]:
    """The ids of page after page, as the server plans them: on one thread."""
    found: list[list[int]] = []
    while not found or found[-1]:
        session = prepare(SessionContext(SessionConfig().with_target_partitions(1)))
        wanted = TableQuery(columns=["id"], limit=size, offset=size * len(found), **query)
        frame, _ = open_page(table(), wanted, session)
        assert "SortExec" not in str(frame.execution_plan())
        found.append(frame.to_pydict()["id"])
    return found[:-1]


def ask(table: Locate, **query: Any) -> pa.Table:
    wanted = msgspec.json.decode(json.dumps(query), type=TableQuery)
    frame, _ = open_page(table(), wanted, new_context())
    return pa.table(frame)


def compare(op: str, column: str, value: Any) -> dict[str, Any]:
    return {"op": op, "column": column, "value": value}


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (compare("=", "id", "9007199254740993"), [2]),
        (compare("=", "id", 9007199254740993), [2]),
        (compare("=", "id", "-9223372036854775808"), [3]),
        (compare(">", "id", 2.5), [2, 5]),
        (compare("=", "id", None), []),
        (compare("!=", "id", 1), [2, 3, 5]),
        ({"op": "not", "condition": compare("=", "id", 1)}, [2, 3, 5]),
        (compare("<", "small", 300), [1, 2, 3, 5]),
        (compare("=", "f", 0.1), [1]),
        (compare("=", "f", "NaN"), [2]),
        (compare("=", "f", "Infinity"), [4]),
        (compare("=", "f32", 0.1), [1]),
        (compare("=", TEXT, "it's"), [1]),
        ({"op": "like", "column": TEXT, "pattern": "a\\%b"}, [2]),
        ({"op": "like", "column": TEXT, "pattern": "_"}, [5]),
        ({"op": "contains", "column": TEXT, "text": "%"}, [2]),
        (compare("=", "yes", True), [1, 4]),
        (compare("=", "price", "1.10"), [1]),
        (compare("=", "price", 1.1), [1]),
        (compare("<", "price", "0.005"), [2]),
        (compare("<", "price", "1e30"), [1, 2, 4, 5]),
        (compare("=", "day", "9999-12-31"), [4]),
        (compare("=", "at", "9999-12-31T23:59:59.999999Z"), [3]),
        (compare("=", "at", "2024-01-01T01:00:00.123456+01:00"), [5]),
        (compare("=", "at", "0001-01-01"), [4]),
        (compare("=", "local", "2024-01-01T00:00:00.123456"), [5]),
        ({"op": "is_null", "column": "parts"}, [2]),
        ({"op": "in", "column": "id", "values": [1, "9223372036854775807", None]}, [1, 5]),
        ({"op": "in", "column": "id", "values": []}, []),
        ({"op": "between", "column": "small", "low": 2, "high": 3}, [2, 3]),
        ({"op": "and", "conditions": []}, [1, 2, 3, 4, 5]),
        ({"op": "or", "conditions": []}, []),
        (
            {
                "op": "or",
                "conditions": [compare("=", "id", 1), {"op": "is_null", "column": "id"}],
            },
            [1, 4],
        ),
        ({"op": "or", "conditions": [compare("=", "id", n) for n in range(998)]}, [1]),
    ],
)
def test_a_condition_holds_of_these_rows(
    table: Locate, condition: dict[str, Any], rows: list[int]
) -> None:
    assert sorted(ask(table, filter=condition)["row"].to_pylist()) == rows


@pytest.mark.parametrize(
    "condition",
    [
        compare("=", "id", str(2**63)),
        compare("=", "id", "x"),
        compare("=", "id", True),
        compare("=", "yes", 1),
        compare("=", TEXT, 1),
        compare("=", TEXT, "a\0b"),
        compare("<", "price", "1e99"),
        compare("=", "price", "NaN"),
        compare("=", "f", "fast"),
        compare("=", "day", "yesterday"),
        compare("=", "day", 1),
        compare("=", "at", 1704067200),
        compare("=", "local", "2024-01-01T00:00:00Z"),
        compare("=", "parts", 1),
        {"op": "contains", "column": "id", "text": "1"},
        {"op": "or", "conditions": [compare("=", "id", n) for n in range(1001)]},
    ],
)
def test_a_value_that_is_none_of_the_column_is_refused(
    table: Locate, condition: dict[str, Any]
) -> None:
    with pytest.raises(InvalidQueryError):
        ask(table, filter=condition)


def test_order_and_nulls(table: Locate) -> None:
    def order(**by: Any) -> list[int]:
        found: list[int] = ask(table, order_by=[{"column": "id"} | by])["row"].to_pylist()
        return found

    assert order() == [3, 1, 2, 5, 4]
    assert order(nulls="first") == [4, 3, 1, 2, 5]
    assert order(descending=True) == [4, 5, 2, 1, 3]
    assert order(descending=True, nulls="last") == [5, 2, 1, 3, 4]
    found = ask(table, columns=["row"], order_by=[{"column": "id"}], offset=3)
    assert found.to_pydict() == {"row": [5, 4]}


def test_pages_of_partitions_are_disjoint_and_whole(on_s3: Place) -> None:
    """Each partition is a scan of its own, and they follow one another."""
    table = on_s3("parts")
    for start in (0, 5000):
        ids = list(range(start, start + 5000))
        columns = {"id": ids, "p": [number % 7 for number in ids]}
        push_table(table, columns, by="user:alice", partition_by=["p"])

    pages = in_pages(table, 1500)
    some = in_pages(table, 400, filter=GreaterOrEqual(column="p", value=4))

    assert pages == in_pages(table, 1500)
    assert sorted(chain.from_iterable(pages)) == list(range(10_000))
    assert sorted(chain.from_iterable(some)) == [
        number for number in range(10_000) if number % 7 >= 4
    ]


def test_pages_of_rows_that_delta_rs_reads_are_disjoint_and_whole(on_s3: Place) -> None:
    table = on_s3("marked")
    push_table(table, {"id": range(60_000)}, by="user:alice")
    delete_by_vector(table(), [0, 1])
    push_table(table, {"id": range(60_000, 120_000)}, by="user:alice")

    pages = in_pages(table, 50_000)

    assert sorted(chain.from_iterable(pages)) == list(range(2, 120_000))


def test_rows_are_counted_instead_of_sent(table: Locate) -> None:
    filter_ = GreaterOrEqual(column="row", value=2)
    for wanted, rows in [
        (TableQuery(count=True), 5),
        (TableQuery(count=True, filter=filter_), 4),
        (TableQuery(count=True, filter=filter_, offset=1, limit=2), 2),
        (TableQuery(count=True, filter=GreaterOrEqual(column="row", value=9)), 0),
    ]:
        frame, _ = open_page(table(), wanted, prepare(None))
        assert frame.to_pydict() == {"count": [rows]}


def test_thousands_of_columns(on_disk: Place) -> None:
    locate = on_disk("wide")
    names = [f"c{at}" for at in range(3_000)]
    push_table(locate, pa.table({name: [1] for name in names}), by="user:alice")
    frame, _ = open_page(locate(), TableQuery(), prepare(None))
    assert frame.schema().names == names
    (batch,) = frame.limit(1).select("c2999").collect()
    assert batch.to_pydict() == {"c2999": [1]}
