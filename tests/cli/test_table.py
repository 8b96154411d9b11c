from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.harness import Run, Spawn, document
from cli.terminal import on_terminal
from klarity_storage.protocol.tables import TableInfo, TableList

ALL = "select * from vision.runs order by run"


@pytest.fixture
def runs(run: Run) -> str:
    run("table", "push", "vision/tables/runs", "runs.csv", "--description", "Every run")
    return "vision/tables/runs"


def test_push_appends_overwrites_and_refuses(run: Run, runs: str) -> None:
    result = run("table", "push", runs, "runs.csv")
    assert result.stdout == f"{runs}\n"
    assert "now has 6 rows" in result.stderr
    over = run("table", "push", runs, "runs.csv", "--mode", "overwrite", "--json")
    assert document(over, TableInfo).rows == 3
    run("table", "push", runs, "runs.csv", "--mode", "error", code=5)


def test_a_column_has_the_type_that_is_said(run: Run) -> None:
    table = "vision/tables/notes"
    made = run("table", "push", table, "runs.csv", "--type", "run=string", "--json")
    assert document(made, TableInfo).columns[0].type == "string"
    run("table", "push", table, "runs.csv", "--type", "run=strng", code=2)
    run("table", "push", table, "runs.csv", "--type", "nun=string", code=2)


def test_push_of_what_does_not_fit(run: Run, runs: str, work: Path) -> None:
    (work / "other.csv").write_text("run,split,score\nx,train,yes\n")
    run("table", "push", runs, "other.csv", code=2)
    (work / "ragged.csv").write_text("a,b\n1,2\n3\n")
    run("table", "push", "vision/tables/ragged", "ragged.csv", code=2)
    run("table", "show", "vision/tables/ragged", code=3)


def test_ls_narrows_by_space_and_name(run: Run, runs: str) -> None:
    run("table", "push", "audio/tables/takes", "runs.csv")
    assert run("table", "ls", "-q").stdout.split() == ["audio/tables/takes", runs]
    assert run("table", "ls", "vision", "-q").stdout == f"{runs}\n"
    names = document(run("table", "ls", "--name", "t*", "--json"), TableList).items
    assert [table.name for table in names] == ["takes"]
    assert "vision.runs" in run("table", "ls").stdout


def test_show_tells_columns_and_facts(run: Run, runs: str) -> None:
    text = run("table", "show", runs).stdout
    assert "Every run" in text
    assert "3 rows in 1 file" in text
    assert "vision.runs" in text
    assert [line.split()[:2] for line in text.split("\n\n")[1].splitlines()[1:]] == [
        ["run", "long"],
        ["split", "string"],
        ["score", "double"],
    ]


def test_query_prints_csv_into_a_pipe(run: Run, runs: str) -> None:
    del runs
    rows = list(csv.reader(io.StringIO(run("table", "query", ALL).stdout)))
    assert rows == [
        ["run", "split", "score"],
        ["1", "train", "0.5"],
        ["2", "test", "0.25"],
        ["3", "train", ""],
    ]


def test_query_prints_a_bounded_table_on_a_terminal(runs: str) -> None:
    del runs
    shown = on_terminal("table", "query", ALL, "--rows", "2", "--no-color")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[:3] == ["run  split  score", "  1  train    0.5", "  2  test    0.25"]
    assert "first 2" in lines[3]
    assert "first" not in on_terminal("table", "query", ALL, "--rows", "3")


def test_query_as_json(run: Run, runs: str) -> None:
    del runs
    expected = [
        {"run": 1, "split": "train", "score": 0.5},
        {"run": 2, "split": "test", "score": 0.25},
        {"run": 3, "split": "train", "score": None},
    ]
    assert json.loads(run("table", "query", ALL, "--json").stdout) == expected
    assert json.loads(run("table", "query", ALL, "--format", "json").stdout) == expected
    none = run("table", "query", "select * from vision.runs where run < 0", "--json")
    assert json.loads(none.stdout) == []


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "arrow"])
def test_query_into_a_file(run: Run, runs: str, work: Path, suffix: str) -> None:
    del runs
    result = run("table", "query", ALL, "--output", f"out.{suffix}")
    assert (result.stdout, result.stderr) == ("", f"Wrote 3 rows to out.{suffix}.\n")
    file = work / f"out.{suffix}"
    if suffix == "arrow":
        rows = pa.ipc.open_stream(file.read_bytes()).read_all().num_rows
        assert rows == 3
    else:
        asked = f"select run, score from '{file}' order by run"
        assert duckdb.execute(asked).fetchall() == [(1, 0.5), (2, 0.25), (3, None)]


def test_a_query_that_fails_leaves_no_file(run: Run, runs: str, work: Path) -> None:
    del runs
    (work / "out.csv").write_text("mine")
    divided = "select 1 / (run - 2) from vision.runs"
    result = run("table", "query", divided, "--output", "out.csv", code=2)
    assert "zero" in result.stderr
    assert (work / "out.csv").read_text() == "mine"
    assert not list(work.glob(".out.csv*"))


def test_values_that_formats_cannot_hold_as_they_are(run: Run, work: Path) -> None:
    table = pa.table(
        {
            "list": pa.array([[1, 2], None]),
            "price": pa.array([Decimal("1.50"), None]),
            "raw": pa.array([b"\x00\xff", None]),
            "at": pa.array([1_700_000_000_123_456, None], pa.timestamp("us", "UTC")),
            "nan": pa.array([float("nan"), None]),
        }
    )
    pq.write_table(table, work / "odd.parquet")
    run("table", "push", "vision/tables/odd", "odd.parquet")
    ask = ("table", "query", "select * from vision.odd where price is not null")
    (row,) = json.loads(run(*ask, "--json").stdout)
    assert row == {
        "list": [1, 2],
        "price": 1.50,
        "raw": "AP8=",
        "at": "2023-11-14T22:13:20.123456Z",
        "nan": None,
    }
    (line,) = list(csv.DictReader(io.StringIO(run(*ask).stdout)))
    assert (line["list"], line["price"], line["raw"]) == ("[1,2]", "1.50", "AP8=")


def test_formats_and_places_that_do_not_go_together(run: Run, runs: str) -> None:
    del runs
    assert "--format" in run("table", "query", ALL, "--output", "x.txt", code=2).stderr
    shown = on_terminal("table", "query", ALL, "--format", "parquet", code=2)
    assert "--output" in shown
    twice = "select run as a, run + 1 as b from vision.runs"
    assert run("table", "query", twice).stdout.startswith('"a","b"\n')


def test_parquet_through_a_pipe(spawn: Spawn, runs: str, work: Path) -> None:
    del runs
    spawn(f"ks table query '{ALL}' --format parquet > piped.parquet")
    assert pq.read_table(work / "piped.parquet").num_rows == 3
