from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.harness import Run

RUNS = "vision/tables/runs"


@pytest.fixture
def runs(run: Run) -> str:
    run("table", "push", RUNS, "runs.csv")
    return RUNS


def test_binaries_go_there_and_back(run: Run, runs: str, tmp_path: Path) -> None:
    file = tmp_path / "scan.png"
    file.write_bytes(b"x" * 70_000)
    pushed = run("raw", "push", runs, "812", str(file))
    assert "Sent 1 file" in pushed.stderr
    again = run("raw", "push", runs, "812", str(file), "--json")
    assert json.loads(again.stdout) == {"files": 0, "bytes": 0, "kept": 1}
    assert run("raw", "ls", runs, "--quiet").stdout == "812\n"
    assert json.loads(run("raw", "ls", runs, "812", "--json").stdout)["items"] == [
        {"name": "scan.png", "size": 70_000, "media_type": "image/png"}
    ]
    run("raw", "pull", runs, "812", str(tmp_path / "out"))
    assert (tmp_path / "out" / "scan.png").read_bytes() == file.read_bytes()
    run("raw", "pull", runs, "812", str(tmp_path / "out"), "--name", "other", code=3)
    run("raw", "rm", runs, "812", code=2)
    assert "Deleted 1 file." in run("raw", "rm", runs, "812", "--yes").stderr
    run("raw", "ls", runs, "812", code=3)
    assert "No row has binaries" in run("raw", "ls", runs).stderr


def test_rows_are_listed_page_by_page(run: Run, runs: str, tmp_path: Path) -> None:
    file = tmp_path / "scan.png"
    file.write_bytes(b"x")
    for row in ("1", "2", "3"):
        run("raw", "push", runs, row, str(file))
    assert run("raw", "ls", runs, "-q", "--limit", "2").stdout == "1\n2\n"
    assert run("raw", "ls", runs, "-q", "--after", "2", "--limit", "2").stdout == "3\n"
    run("raw", "ls", runs, "--limit", "0", code=2)
