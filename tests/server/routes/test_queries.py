from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from httpx import Response

from control_fixture import Api, Control
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table

pytestmark = pytest.mark.real

RUNS = pa.table(
    {
        "id": range(100),
        "score": [number / 100 for number in range(100)],
        "label": [f"run {number % 7}" if number % 10 else None for number in range(100)],
    }
)


def put(control: Control, space: str, table: str, rows: Any, **options: Any) -> None:
    name = Name(space, Kind.TABLES, table)
    keys = control.services.buckets.main.engine.credentials
    location = TableLocation(name, f"s3://{keys.bucket}/{name}", keys)
    push_table(lambda: location, rows, by="user:admin", **options)


def read(answer: Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    assert answer.content.endswith(b"\xff\xff\xff\xff\0\0\0\0"), "no end-of-stream marker"
    return pa.ipc.open_stream(answer.content).read_all()


def query(api: Api, space: str, table: str = "runs", **body: Any) -> pa.Table:
    return read(api("POST", f"/v1/spaces/{space}/tables/{table}/query", body))


def ask(api: Api, sql: str) -> pa.Table:
    return read(api("POST", "/v1/sql", {"query": sql}))


@pytest.fixture
def runs(real: Control, space: str) -> Control:
    real.space(space)
    put(real, space, "runs", RUNS)
    return real


def test_rows_columns_order_and_pages(runs: Control, space: str) -> None:
    whole = query(runs.admin, space)
    assert whole.equals(RUNS)
    found = query(
        runs.admin,
        space,
        columns=["label", "id"],
        filter={"op": "and", "conditions": [
            {"op": ">=", "column": "score", "value": 0.5},
            {"op": "!=", "column": "label", "value": "run 3"},
        ]},
        order_by=[{"column": "id", "descending": True}],
        limit=3,
        offset=1,
    )  # fmt: skip
    assert found.to_pydict() == {"label": ["run 0", "run 6", "run 5"], "id": [98, 97, 96]}
    assert query(runs.admin, space, limit=0).schema == RUNS.schema


def test_pages_without_an_order_are_the_whole_and_nothing_twice(runs: Control, space: str) -> None:
    for start in (100, 200):
        put(
            runs,
            space,
            "runs",
            {"id": range(start, start + 100), "score": [0.5] * 100, "label": ["x"] * 100},
        )
    pages = [
        query(runs.admin, space, columns=["id"], limit=50, offset=offset, version=2)["id"]
        for offset in range(0, 350, 50)
    ]
    found = [number for page in pages for number in page.to_pylist()]
    assert sorted(found) == list(range(300))


def test_a_version_is_asked_for_and_told(runs: Control, space: str) -> None:
    put(runs, space, "runs", RUNS)
    path = f"/v1/spaces/{space}/tables/runs/query"
    newest, first = runs.admin("POST", path, {}), runs.admin("POST", path, {"version": 0})
    assert (newest.headers["X-Table-Version"], read(newest).num_rows) == ("1", 200)
    assert (first.headers["X-Table-Version"], read(first).num_rows) == ("0", 100)
    problem = runs.admin.fails(404, "POST", path, {"version": 7})
    assert (problem["code"], problem["hint"]) == ("version_not_found", "Its newest version is 1.")


def test_sql_joins_tables_of_several_spaces(runs: Control, space: str) -> None:
    other = runs.space(f"{space}-b")
    put(runs, other, "names", {"id": [3, 4, 500], "name": ["three", "four", "more"]})
    found = ask(
        runs.admin,
        f"""select name, label from {space}.runs join "{other}".names using (id) order by id""",
    )
    assert found.to_pylist() == [
        {"name": "three", "label": "run 3"},
        {"name": "four", "label": "run 4"},
    ]
    assert ask(runs.admin, "select 1 as one").to_pydict() == {"one": [1]}


def test_a_reader_reads_what_was_granted_and_nothing_beside(runs: Control, space: str) -> None:
    put(runs, space, "secrets", RUNS)
    bob = runs.user("bob")
    runs.grant("user:bob", "reader", f"{space}/tables/runs")
    assert query(bob, space, limit=1).num_rows == 1
    assert ask(bob, f"select count(*) as n from {space}.runs").to_pydict() == {"n": [100]}
    told = set()
    nested = f"select 1 from {space}.runs where 1 in (select 1 from {space}.TABLE)"
    for table in ("secrets", "absent_"):
        for path, body in (
            (f"/v1/spaces/{space}/tables/{table}/query", {}),
            ("/v1/sql", {"query": f"select * from {space}.{table}"}),
            ("/v1/sql", {"query": nested.replace("TABLE", table)}),
        ):
            problem = bob.fails(404, "POST", path, body)
            text = problem["detail"].replace("absent_", "secrets")
            told.add((problem["code"], problem["hint"], text))
    assert len(told) == 1
    assert told.pop()[0] == "table_not_found"


def test_every_table_that_a_query_names_is_recorded(runs: Control, space: str) -> None:
    bob = runs.user("bob")
    runs.grant("user:bob", "reader", f"{space}/tables/runs")
    sql = f"select * from {space}.runs union all select * from {space}.secrets"
    answer = bob("POST", "/v1/sql", {"query": sql})
    lines = runs.audit(answer.headers["X-Request-Id"])
    assert [(x["target"], x["allowed"]) for x in lines] == [
        ("server", True),
        (f"{space}/tables/runs", True),
        (f"{space}/tables/secrets", False),
    ]
    assert lines[0]["about"] == f"query: {sql}"
    assert {line["operation"] for line in lines} == {"run_sql"}
    answer = bob("POST", f"/v1/spaces/{space}/tables/runs/query", {})
    [line] = runs.audit(answer.headers["X-Request-Id"])
    assert (line["operation"], line["action"], line["allowed"]) == ("query_table", "read", True)


@pytest.mark.parametrize(
    ("sql", "status", "told"),
    [
        ("insert into SPACE.runs values (1, 1, 'x')", 400, "only reads"),
        ("copy SPACE.runs to '/tmp/x.csv'", 400, "only reads"),
        ("create external table x stored as csv location '/etc/passwd'", 400, "only reads"),
        ("create view SPACE.x as select 1", 400, "only reads"),
        ("set datafusion.execution.batch_size = 1", 400, "only reads"),
        ("explain analyze delete from SPACE.runs", 400, "refuses"),
        ("with a as (select 1) delete from SPACE.runs", 400, ""),
        ("prepare x as select 1", 400, "refuses"),
        ("begin", 400, "refuses"),
        ("select * from '/etc/passwd'", 400, "without its space"),
        ("select * from 'file:///etc/passwd'", 400, "without its space"),
        ("select * from read_csv('/etc/passwd')", 400, "read_csv"),
        ("select * from read_parquet('/etc/passwd')", 400, "read_parquet"),
        ("select * from parquet_metadata('/etc/passwd')", 400, "parquet_metadata"),
        ("select * from information_schema.tables", 400, "not found"),
        ("select * from information_schema.df_settings", 400, "not found"),
        ("show tables", 400, "refuses"),
        ("show all", 400, "refuses"),
        ("select * from datafusion.public.runs", 400, "without its space"),
        ("select * from elsewhere.SPACE.runs", 400, ""),
        ("select * from runs", 400, "named without its space"),
        ("select scor from SPACE.runs", 400, "did you mean 'score'?"),
        ("select * from SPACE.runs where id = 'x'", 400, "Cannot cast string 'x'"),
        ("select id / (id - 3) from SPACE.runs", 400, "Divide by zero"),
        ("select nofunction(id) from SPACE.runs", 400, "nofunction"),
        ("selec 1", 400, "Expected: an SQL statement"),
        ("select 1; drop table SPACE.runs", 400, "single SQL statement"),
        ("", 400, "No SQL statements"),
    ],
)
def test_sql_that_cannot_be_run_is_refused(
    runs: Control, space: str, sql: str, status: int, told: str
) -> None:
    problem = runs.admin.fails(status, "POST", "/v1/sql", {"query": sql.replace("SPACE", space)})
    assert told in problem["detail"]
    assert "\n" not in problem["detail"]
    assert query(runs.admin, space).num_rows == 100


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"columns": ["scor"]}, "There is no column 'scor' (did you mean 'score'?)."),
        ({"order_by": [{"column": "idd"}]}, "There is no column 'idd' (did you mean 'id'?)."),
        ({"filter": {"op": "=", "column": "Label", "value": 1}}, "(did you mean 'label'?)"),
        ({"filter": {"op": "=", "column": "id", "value": "x"}}, "'id' is int64, and 'x' is no"),
        ({"filter": {"op": "==", "column": "id", "value": 1}}, "Invalid value '=='"),
        ({"filter": {"column": "id", "value": 1}}, "missing required field `op`"),
        ({"filter": {"op": "=", "column": "id"}}, "missing required field `value`"),
        ({"filter": {"op": "=", "column": "id", "value": [1]}}, "got `array`"),
        ({"columns": []}, "length >= 1"),
        ({"limit": -1}, ">= 0"),
        ({"version": -1}, ">= 0"),
        ({"order_by": [{"column": "id", "nulls": "middle"}]}, "Invalid enum value 'middle'"),
    ],
)
def test_a_wrong_question_to_a_table_is_refused(
    runs: Control, space: str, body: dict[str, Any], told: str
) -> None:
    problem = runs.admin.fails(400, "POST", f"/v1/spaces/{space}/tables/runs/query", body)
    assert told in problem["detail"]


def test_a_filter_as_deep_as_a_body_holds_is_refused(runs: Control, space: str) -> None:
    path = f"/v1/spaces/{space}/tables/runs/query"
    for depth in (20, 400, 30_000):
        nested = '{"op":"not","condition":' * depth + '{"op":"is_null","column":"id"}' + "}" * depth
        answer = runs.admin("POST", path, content=b'{"filter":' + nested.encode() + b"}")
        assert answer.status_code == 400, answer.text


def test_a_table_cannot_show_what_lies_in_another(runs: Control, space: str) -> None:
    """Whoever may write a log may write any path into it."""
    put(runs, space, "secrets", RUNS)
    put(runs, space, "mine", RUNS)
    store = runs.services.buckets.main.engine.store
    keys = runs.services.buckets.main.engine.credentials
    [secret] = [
        entry["path"]
        for page in store.list(f"{space}/tables/secrets/")
        for entry in page
        if entry["path"].endswith(".parquet")
    ]
    log = f"{space}/tables/mine/_delta_log/{0:020d}.json"
    text = bytes(store.get(log).bytes()).decode()
    [own] = re.findall(r'"path":"([^"]+)"', text)
    for path in (
        f"s3://{keys.bucket}/{secret}",
        f"../secrets/{secret.rpartition('/')[2]}",
        f"%2E%2E/secrets/{secret.rpartition('/')[2]}",
        "file:///etc/passwd",
    ):
        store.put(log, text.replace(own, path).encode())
        for where, body in (
            (f"/v1/spaces/{space}/tables/mine/query", {}),
            ("/v1/sql", {"query": f"select * from {space}.mine"}),
        ):
            answer = runs.admin("POST", where, body)
            assert answer.status_code in {400, 404, 502, 503}, answer.text


def test_types_arrive_as_they_are(runs: Control, space: str) -> None:
    rows = pa.table(
        {
            "big": [2**53 + 1, -(2**63)],
            "price": pa.array([Decimal("1.10"), Decimal("-0.01")], pa.decimal128(10, 2)),
            "at": pa.array([0, 253402300799999999], pa.timestamp("us", "UTC")),
            "parts": [[1, None], []],
            "inner": [{"a": "x"}, {"a": None}],
        }
    )
    put(runs, space, "types", rows)
    assert query(runs.admin, space, "types").to_pylist() == rows.to_pylist()
    found = ask(
        runs.admin,
        f"""select *, substr(inner['a'], 1) as s, arrow_cast('v', 'Utf8View') as v,
        named_struct('w', arrow_cast('v', 'Utf8View')) as st,
        make_array(arrow_cast('v', 'Utf8View')) as li
        from {space}.types""",
    )
    assert "view" not in str(found.schema)
    assert found.select(rows.column_names).to_pylist() == rows.to_pylist()
