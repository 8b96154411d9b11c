from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.harness import Run, Spawn
from cli.terminal import on_terminal
from klarity_storage.cli._output import Output
from klarity_storage.cli._progress import Transfer
from klarity_storage.versions.progress import Progress

HIDE_CURSOR = "\x1b[?25l"


def test_one_bar_a_transfer_on_a_terminal(spawn: Spawn, work: Path) -> None:
    del spawn
    for number in range(200):
        (work / "cats" / f"{number}.bin").write_bytes(bytes([number]) * 5000)
    shown = on_terminal("push", "vision/datasets/cats", "cats", plain=False)
    assert shown.count(HIDE_CURSOR) == 1
    assert "━" in shown
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()
    assert re.search(r"Pushed vision/datasets/cats: 203 files, 1\.0 MB in \d+\.\d s\.$", said[-2])
    assert re.fullmatch(r"vision/datasets/cats@[0-9a-f]{12}", said[-1])


def test_no_bar_where_it_is_not_wanted(run: Run, cats: str) -> None:
    assert "━" not in on_terminal("pull", cats, "out", "--quiet", plain=False)
    assert "━" not in run("pull", cats, "again").output


def test_the_bar_is_drawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Progress] = []
    clock = iter(range(100_000))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("time.monotonic", lambda: next(clock) / 1000)
    transfer = Transfer(Output())
    monkeypatch.setattr(transfer, "_draw", drawn.append)
    monkeypatch.setattr(transfer, "_bar", object())
    for done in range(1000):  # a millisecond each
        transfer(Progress("uploading", done, 1000, 0, 1))
    assert 9 <= len(drawn) <= 11
    transfer(Progress("committing", 0, 1, 0, 1))
    assert drawn[-1].phase == "committing"
