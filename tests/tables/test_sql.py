from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pytest
from datafusion import SessionContext, udf
from datafusion.catalog import Schema

from klarity_storage.errors import InvalidQueryError, TableNotFoundError
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from klarity_storage.tables.queries import told_as_query
from klarity_storage.tables.sql import Resolve, sql, table_names


@pytest.fixture
def resolve(tmp_path: Path) -> Resolve:
    def locate(space: str, table: str) -> TableLocation:
        name = Name(space, Kind.TABLES, table)
        return TableLocation(name, str(tmp_path / str(name)))

    for space, table, start in (("vision", "runs", 0), ("my-space", "my.table", 5)):
        rows = {"id": list(range(start, start + 10)), "v": [1.5] * 10}
        push_table(lambda at=(space, table): locate(*at), rows, by="user:alice")  # type: ignore[misc]
    return locate


def test_tables_of_several_spaces_are_asked_together(resolve: Resolve) -> None:
    frame = sql(
        """with mine as (select id from vision.runs where id > 6)
        select count(*) as n from mine join "my-space"."my.table" as other using (id)
        where other.v > (select 1.0)""",
        resolve,
    )

    assert frame.to_pydict() == {"n": [3]}


def test_a_join_is_read_as_an_arrow_stream(resolve: Resolve) -> None:
    """Its parts are then read one after another, and none may wait for the next."""
    frame = sql("select a.id from vision.runs a join vision.runs b using (id)", resolve)

    found = pa.RecordBatchReader.from_stream(frame).read_all()

    assert sorted(found["id"].to_pylist()) == list(range(10))


def test_a_table_in_s3_and_one_on_a_disk_are_joined(
    resolve: Resolve, on_s3: object, space: str
) -> None:
    remote = on_s3("runs")  # type: ignore[operator]
    push_table(remote, {"id": [3, 30]}, by="user:alice")

    def either(wanted: str, table: str) -> TableLocation:
        found: TableLocation = remote() if wanted == space else resolve(wanted, table)
        return found

    frame = sql(f"select id from vision.runs natural join {space}.runs", either)

    assert frame.to_pydict() == {"id": [3]}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select 1", []),
        ("select * from vision.runs", [("vision", "runs")]),
        ('select * from Vision."Runs"', [("vision", "Runs")]),
        ("with runs as (select 1) select * from runs", []),
        ("select * from a.b where exists (select 1 from c.d)", [("a", "b"), ("c", "d")]),
        ("select * from a.b union all select * from a.c", [("a", "b"), ("a", "c")]),
        ("select 'from x.y' -- join z.z", []),
        ("explain select * from a.b", [("a", "b")]),
    ],
)
def test_the_tables_of_a_query_are_found(query: str, names: list[tuple[str, str]]) -> None:
    assert table_names(query) == names


def test_what_is_not_there_is_named(resolve: Resolve) -> None:
    with pytest.raises(TableNotFoundError, match="vision/tables/nothing"):
        sql("select * from vision.runs join vision.nothing using (id)", resolve)
    with pytest.raises(InvalidQueryError, match="'runs' is named without its space"):
        sql("select * from runs", resolve)
    with pytest.raises(InvalidQueryError, match=r"no column 'idd' in the query .did you mean 'id'"):
        sql("select idd from vision.runs", resolve)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("selec 1", "Expected: an SQL statement"),
        ("", "No SQL statements"),
        ("select 1; select 2", "single SQL statement"),
        ("select nofunction(id) from vision.runs", "nofunction"),
        ("select id from vision.runs where id = 'x'", "Cannot cast string 'x'"),
    ],
)
def test_wrong_sql_is_refused_in_datafusions_words(resolve: Resolve, query: str, told: str) -> None:
    with pytest.raises(InvalidQueryError, match=told) as refused:
        sql(query, resolve)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "create table vision.x as select 1",
        "create view vision.x as select 1",
        "create external table x stored as csv location '/etc/passwd'",
        "insert into vision.runs values (1, 2)",
        "delete from vision.runs",
        "update vision.runs set v = 1",
        "drop table vision.runs",
        "copy vision.runs to '/tmp/x.parquet'",
        "set datafusion.execution.batch_size = 1",
        "/* a comment */ insert into vision.runs values (1, 2)",
        "explain analyze insert into vision.runs values (1, 2)",
        "begin",
        "prepare x as select 1",
        "with a as (select 1 as id, 1.0 as v) insert into vision.runs select * from a",
        "select * from '/etc/passwd'",
        "select * from information_schema.tables",
    ],
)
def test_sql_only_reads_and_only_tables(resolve: Resolve, query: str) -> None:
    with pytest.raises((InvalidQueryError, TableNotFoundError)):
        sql(query, resolve)

    assert sql("select count(*) as n from vision.runs", resolve).to_pydict() == {"n": [10]}


def test_the_callers_session_keeps_its_functions_and_gets_no_tables(resolve: Resolve) -> None:
    context = SessionContext()
    double = udf(
        lambda array: pa.compute.multiply(array, 2), [pa.int64()], pa.int64(), "immutable", "twice"
    )
    context.register_udf(double)

    frame = sql("select twice(id) as n from vision.runs where id = 4", resolve, context)

    assert frame.to_pydict() == {"n": [8]}
    assert context.catalog().schema_names() == {"public"}


def test_a_later_question_sees_later_rows(resolve: Resolve) -> None:
    context = SessionContext()
    count = "select count(*) as n from vision.runs"
    before = sql(count, resolve, context)
    push_table(lambda: resolve("vision", "runs"), {"id": [99], "v": [0.0]}, by="user:alice")

    assert sql(count, resolve, context).to_pydict() == {"n": [11]}
    assert before.to_pydict() == {"n": [10]}


def test_threads_may_ask_in_one_session(resolve: Resolve) -> None:
    context = SessionContext()
    answers: list[dict[str, list[int]]] = []

    def ask() -> None:
        answers.append(sql("select max(id) as n from vision.runs", resolve, context).to_pydict())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [{"n": [9]}] * 8


def test_text_comes_out_plain_however_it_is_asked_for(resolve: Resolve) -> None:
    """Inside it is read as views, which other readers of Arrow do not all know."""
    names = lambda: resolve("vision", "names")  # noqa: E731
    rows = {"id": [1, 2], "city": ["Ulm", None], "raw": [b"a", None]}
    push_table(names, rows, by="user:alice")

    def types(query: str) -> list[pa.DataType]:
        found = pa.table(sql(query, resolve))
        assert found.num_rows > 0
        return list(found.schema.types)

    text, raw = pa.string(), pa.binary()
    assert types("select * from vision.names") == [pa.int64(), text, raw]
    grouped = "select city || 'x' as c, array_agg(raw) as l from vision.names group by city"
    assert types(grouped) == [text, pa.list_(raw)]
    assert types("select struct(city, id) as s from vision.names")[0].field(0).type == text
    joined = "select a.city, b.city from vision.names a join vision.names b using (id)"
    assert types(joined) == [text, text]
    assert types("explain select city from vision.names") == [text, text]


def test_functions_that_take_text_get_it(resolve: Resolve) -> None:
    push_table(lambda: resolve("vision", "names"), {"city": ["Ulm", "Bonn"]}, by="user:alice")
    session = SessionContext()
    session.register_udf(
        udf(lambda text: pa.compute.utf8_upper(text.cast(pa.string())), [pa.string()], pa.string(),
            "immutable", "loud")
    )  # fmt: skip

    found = sql("select loud(city) as c from vision.names order by 1", resolve, session)

    assert found.to_pydict() == {"c": ["BONN", "ULM"]}


def test_a_ctrl_c_while_planning_is_raised_and_the_session_goes_on(
    resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionContext()
    let_go = Schema.deregister_table

    def interrupted(self: Schema, name: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        let_go(self, name)

    # whoever runs the tests in the background may let them ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Schema, "deregister_table", interrupted)
            with pytest.raises(KeyboardInterrupt):
                sql("select id from vision.runs", resolve, session)
    finally:
        signal.signal(signal.SIGINT, before)

    assert sql("select id from vision.runs", resolve, session).count() == 10


def test_a_ctrl_c_that_came_back_as_another_error_is_one() -> None:
    with pytest.raises(KeyboardInterrupt), told_as_query("the filter 'id > 1'", ["id"]):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()
