from __future__ import annotations

from pathlib import Path

import pytest

from cli.harness import Run, document
from klarity_storage.protocol.tables import (
    Optimized,
    RowsDeleted,
    TableHistory,
    TableInfo,
    Vacuumed,
)


@pytest.fixture
def runs(run: Run) -> str:
    run("table", "push", "vision/tables/runs", "runs.csv", "-m", "First runs")
    return "vision/tables/runs"


def rows(run: Run) -> str:
    query = "select * from vision.runs order by run"
    return run("table", "query", query, "--format", "csv").stdout.replace('"', "")


def test_push_merges_by_keys_and_overwrites_by_a_condition(run: Run, runs: str, work: Path) -> None:
    (work / "more.csv").write_text("run,split,score\n3,test,0.75\n4,test,1.5\n")
    run("table", "push", runs, "more.csv", "--mode", "merge", "--key", "run")
    assert rows(run) == "run,split,score\n1,train,0.5\n2,test,0.25\n3,test,0.75\n4,test,1.5\n"

    (work / "one.csv").write_text("run,split,score\n9,test,0.125\n")
    over = ["table", "push", runs, "one.csv", "--mode", "overwrite", "--where"]
    run(*over, "run > 9", code=2)
    run(*over, "runn > 2", code=2)
    run(*over, "run > 2")
    assert rows(run) == "run,split,score\n1,train,0.5\n2,test,0.25\n9,test,0.125\n"
    run("table", "push", runs, "one.csv", "--mode", "merge", code=2)


def test_push_takes_json_lines_new_columns_and_partitions(run: Run, work: Path) -> None:
    (work / "a.jsonl").write_text('{"day": "mon", "n": 1}\n')
    made = run("table", "push", "vision/tables/days", "a.jsonl", "--partition-by", "day", "--json")
    assert document(made, TableInfo).partitions == ["day"]
    (work / "b.jsonl").write_text('{"day": "tue", "n": 2, "x": 0.5}\n')
    refused = run("table", "push", "vision/tables/days", "b.jsonl", code=2)
    assert "no column 'x'" in refused.stderr
    grown = run("table", "push", "vision/tables/days", "b.jsonl", "--evolve", "--json")
    assert {column.name for column in document(grown, TableInfo).columns} == {"day", "n", "x"}


def test_history_says_who_why_and_from_what(run: Run, runs: str, cats: str) -> None:
    run("table", "push", runs, "runs.csv", "-m", "Again", "--lineage", cats)

    told = run("table", "history", runs).stdout
    assert "version 1 (write)\nby      local:" in told
    assert f"from    {cats}@" in told
    assert "    Again\n" in told
    assert told.index("Again") < told.index("First runs")
    assert "+ 3 rows, 1 file, " in told
    assert run("table", "history", runs, "-q", "-n", "1").stdout == "1\n"
    newest = document(run("table", "history", runs, "--json"), TableHistory).items[0]
    assert (newest.version, newest.message) == (1, "Again")
    run("table", "history", "vision/tables/none", code=3)


def test_rows_are_deleted_after_asking_and_restored(run: Run, runs: str) -> None:
    refused = run("table", "delete", runs, "score < 0.3", code=2)
    assert "Delete 1 row of" in refused.stderr
    assert "--yes" in refused.stderr
    run("table", "delete", runs, "scor < 0.3", "--yes", code=2)
    gone = run("table", "delete", runs, "score < 0.3", "--yes", "--json")
    assert document(gone, RowsDeleted) == RowsDeleted(1, 1)
    assert rows(run) == "run,split,score\n1,train,0.5\n3,train,\n"

    back = run("table", "restore", runs, "0", "-m", "too much")
    assert back.stdout == "2\n"
    assert "3 rows at version 2" in back.stderr
    run("table", "restore", runs, "7", code=3)
    run("table", "restore", runs, code=2)


def test_optimize_and_vacuum_say_what_they_do(run: Run, runs: str) -> None:
    run("table", "push", runs, "runs.csv")
    assert "Made 1 file of 2 files." in run("table", "optimize", runs).stderr
    assert "No file is small." in run("table", "optimize", runs).stderr
    again = document(run("table", "optimize", runs, "--z-order", "run", "--json"), Optimized)
    assert again.files_added == 1

    assert "0 files" in run("table", "vacuum", runs).stderr
    run("table", "vacuum", runs, "--keep", "1h", code=2)
    forced = ["table", "vacuum", runs, "--keep", "0", "--force"]
    listed = document(run(*forced, "--json"), Vacuumed)
    assert (listed.dry_run, listed.files) == (True, 3)
    assert run(*forced, "-q").stdout.count(".parquet") == 3
    run(*forced, "--delete", code=2)
    assert "Deleted 3 files" in run(*forced, "--delete", "--yes").stderr
    run("table", "restore", runs, "0", code=3)


def test_rm_drops_a_table_after_asking(run: Run, runs: str) -> None:
    assert "2 objects" in run("rm", runs, code=2).stderr
    run("rm", runs, "--yes", "--reason", "old", code=2)
    assert "Deleted vision/tables/runs" in run("rm", runs, "--yes").stderr
    run("table", "show", runs, code=3)
    run("rm", runs, "--yes", code=3)
