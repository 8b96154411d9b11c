from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cli.harness import Run, document
from klarity_storage.cli.cache import CacheInfo
from klarity_storage.client import table_places
from klarity_storage.protocol.problem import Problem
from klarity_storage.protocol.tables import CachedTable, CachedTableList, TableDiff, TableInfo

COUNT = "select count(*) as n from vision.runs"


@pytest.fixture
def runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(table_places, "_said", set())
    run("table", "push", "vision/tables/runs", "runs.csv", "-m", "First runs")
    return "vision/tables/runs"


def count(run: Run) -> int:
    return int(run("table", "query", COUNT, "--format", "csv").stdout.split()[1])


def test_a_mirror_is_read_and_refreshed(run: Run, runs: str) -> None:
    made = document(run("table", "cache", runs, "--json"), CachedTable)
    assert (made.mode, made.version, made.files, made.pinned) == ("ro", 0, 1, False)

    run("table", "push", runs, "runs.csv")
    assert count(run) == 3
    again = run("table", "cache", runs)
    assert "The mirror holds version 1: " in again.stderr
    assert count(run) == 6

    run("table", "cache", runs, "--version", "0")
    listed = run("table", "cached")
    assert listed.stdout.splitlines()[1].split()[:4] == [runs, "ro", "0", "pinned"]
    assert run("table", "cached", "-q").stdout == f"{runs}\n"
    assert count(run) == 3
    run("table", "uncache", runs)
    assert count(run) == 6
    assert "not cached here" in run("table", "uncache", runs, code=2).stderr
    assert document(run("table", "cached", "--json"), CachedTableList).items == []


def test_it_is_said_once_where_a_table_is_read(
    run: Run, runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("table", "cache", runs)
    monkeypatch.setattr(table_places, "_said", set())
    assert "is read from its mirror on this disk" in run("table", "query", COUNT).stderr
    assert "mirror" not in run("table", "query", COUNT).stderr
    monkeypatch.setattr(table_places, "_said", set())
    assert run("table", "query", COUNT, "--quiet").stderr == ""


def test_a_sandbox_from_its_beginning_to_promotion(run: Run, runs: str, work: Path) -> None:
    assert "The sandbox holds version 0" in run("table", "cache", runs, "--mode", "sandbox").stderr
    (work / "more.csv").write_text("run,split,score\n3,test,0.75\n4,test,1.5\n")
    run("table", "push", runs, "more.csv", "--mode", "merge", "--key", "run")
    assert count(run) == 4

    told = document(run("table", "diff", runs, "--key", "run", "--json"), TableDiff)
    assert (told.added, told.removed, told.changed, told.commits) == (1, 0, 1, 1)
    shown = run("table", "diff", runs)
    assert "since version 0: 2 added, 1 removed, 0 changed." in shown.stderr
    assert sorted(line[0] for line in shown.stdout.splitlines()) == ["+", "+", "-"]
    assert "+ … 1 more row" in run("table", "diff", runs, "--rows", "1").stdout
    run("table", "diff", runs, "--key", "runn", code=2)

    assert "not promoted" in run("table", "uncache", runs, code=5).stderr
    assert "not promoted" in run("table", "cache", runs, code=5).stderr
    assert "with 1 commit of its own" in run("table", "cache", runs, "--mode", "sandbox").stderr

    done = document(run("table", "promote", runs, "-m", "better", "--json"), TableInfo)
    assert (done.version, done.rows) == (1, 4)
    assert "has no changes" in run("table", "promote", runs, code=2).stderr
    run("table", "uncache", runs)
    assert "    better\n" in run("table", "history", runs).stdout
    assert "no sandbox here" in run("table", "diff", runs, code=2).stderr


def test_discarding_asks_first(run: Run, runs: str) -> None:
    run("table", "cache", runs, "--mode", "sandbox")
    run("table", "push", runs, "runs.csv")
    refused = run("table", "discard", runs, "--json", code=2)
    problem = msgspec.json.decode(refused.stderr.splitlines()[-1], type=Problem)
    assert "Throw 1 commit of the sandbox" in problem.detail
    assert count(run) == 6
    run("table", "discard", runs, "--yes")
    assert count(run) == 3
    run("table", "discard", runs)  # nothing to lose: nothing to ask


def test_a_sandbox_is_neither_dropped_nor_vacuumed(run: Run, runs: str) -> None:
    run("table", "cache", runs, "--mode", "sandbox")
    assert "neither vacuumed nor dropped" in run("rm", runs, "--yes", code=2).stderr
    run("table", "vacuum", runs, code=2)
    assert count(run) == 3


def test_clearing_the_cache_keeps_changes(run: Run, runs: str) -> None:
    run("table", "push", "vision/tables/other", "runs.csv")
    run("table", "cache", "vision/tables/other", "--mode", "sandbox")
    run("table", "cache", runs, "--mode", "sandbox")
    run("table", "push", runs, "runs.csv")

    cleared = run("cache", "clear", "--yes", "--json")
    assert document(cleared, CacheInfo).sandboxes == [runs]
    assert count(run) == 6
    listed = document(run("table", "cached", "--json"), CachedTableList)
    assert {table.name: table.version for table in listed.items} == {"runs": 0, "other": None}

    run("table", "discard", runs, "--yes")
    assert "The cache is empty." in run("cache", "clear", "--yes").stderr


def test_what_tables_take_is_seen_and_never_pruned(run: Run, runs: str, work: Path) -> None:
    run("table", "push", "vision/tables/other", "runs.csv")
    run("table", "cache", "vision/tables/other", "--mode", "sandbox")
    run("table", "cache", runs, "--version", "0")

    info = document(run("cache", "ls", "--json"), CacheInfo)
    told = run("cache", "ls").stdout
    pruned = document(run("cache", "prune", "--to", "0", "--json"), CacheInfo)

    assert {(held.kind, held.table) for held in info.tables} == {
        ("mirror", runs),
        ("sandbox", "vision/tables/other"),
    }
    mirror = next(held for held in info.tables if held.kind == "mirror")
    assert mirror.versions == [0]
    assert mirror.declared_in == [str(work / ".safenai")]
    taken = {
        (file.stat().st_dev, file.stat().st_ino): file.stat().st_size
        for held in info.tables
        for file in Path(held.folder).rglob("*")
        if file.is_file()
    }
    assert info.table_bytes == sum(taken.values()) > 0
    assert info.bytes == 0
    assert "beside what is bounded" in told
    assert [line.split()[:2] for line in told.splitlines()[-2:]] == [
        [runs, "mirror"],
        ["vision/tables/other", "sandbox"],
    ]
    assert pruned.removed == 0
    assert document(run("cache", "ls", "--json"), CacheInfo).tables == info.tables
    assert count(run) == 3
