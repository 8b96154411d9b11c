from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from cli.harness import Run, Spawn, document
from cli.terminal import on_terminal
from klarity_storage.cli import _format
from klarity_storage.cli._files import FileList, FolderList
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import Space, SpaceList
from klarity_storage.protocol.tables import TableInfo, TableList
from klarity_storage.protocol.versions import NameList, TagInfo, TagList, VersionInfo, VersionList

JSON: dict[str, object] = {
    "whoami": Identity,
    "space create audio": Space,
    "space ls": SpaceList,
    "push vision/models/net net.bin --tag prod": VersionInfo,
    "pull vision/datasets/cats out": VersionInfo,
    "ls": SpaceList,
    "ls vision": NameList,
    "ls vision/datasets": NameList,
    "ls vision/datasets/cats": VersionList,
    "ls vision/datasets/cats@latest": FileList,
    "ls ks://vision/datasets/cats@latest/train --long": FileList,
    "ls ks://vision/datasets/cats@latest --folder": FolderList,
    "pull ks://vision/datasets/cats@latest/train out --include *.txt": VersionInfo,
    "log vision/datasets/cats": VersionList,
    "tag add vision/datasets/cats@latest prod": TagInfo,
    "tag ls vision/datasets/cats": TagList,
    "table push vision/tables/runs runs.csv": TableInfo,
    "table ls": TableList,
}


@pytest.mark.parametrize(("line", "kind"), JSON.items(), ids=list(JSON))
def test_json_is_one_document_of_the_protocol(
    run: Run, cats: str, line: str, kind: type[msgspec.Struct]
) -> None:
    del cats
    assert isinstance(document(run(*line.split(), "--json"), kind), kind)


def test_json_of_commands_that_take_something_away(run: Run, cats: str) -> None:
    run("tag", cats, "prod")
    assert document(run("tag", "rm", cats, "prod", "--json"), dict) == {"removed": "prod"}


def test_json_of_a_table(run: Run) -> None:
    run("table", "push", "vision/tables/runs", "runs.csv")
    info = document(run("table", "show", "vision/tables/runs", "--json"), TableInfo)
    assert (info.rows, [column.name for column in info.columns]) == (3, ["run", "split", "score"])


def test_quiet_leaves_what_scripts_need(run: Run, cats: str) -> None:
    version = document(run("ls", cats, "--json"), VersionList).items[0].version
    again = run("push", cats, "cats", "-q")
    assert (again.stdout, again.stderr) == (f"{cats}@{version}\n", "")
    assert run("ls", cats, "-q").stdout == f"{version}\n"
    assert run("log", cats, "-q").stdout == f"{version}\n"
    assert run("space", "ls", "-q").stdout == "vision\n"
    assert run("ls", "vision", "-q").stdout == f"{cats}\n"
    assert run("whoami", "-q").stdout.startswith("local:")
    assert run("ls", "-q", f"{cats}@latest").stdout.splitlines()[0] == "train/0 é.txt"


def test_data_goes_to_stdout_and_talk_to_stderr(run: Run) -> None:
    result = run("push", "vision/datasets/cats", "cats")
    assert re.fullmatch(r"vision/datasets/cats@[0-9a-f]{64}\n", result.stdout)
    assert re.fullmatch(
        r"Pushed vision/datasets/cats: 3 files, 15 B in \d+\.\d s\.\n", result.stderr
    )
    result = run("ls", "vision/models")
    assert (result.stdout, result.stderr) == ("", "There is nothing in vision/models.\n")


def test_a_pipe_gets_whole_hashes_and_exact_times(run: Run, cats: str) -> None:
    heading, row = run("ls", cats).stdout.splitlines()
    assert heading.split() == ["VERSION", "COMMITTED", "BY", "FILES", "SIZE", "TAGS", "MESSAGE"]
    assert re.match(r"[0-9a-f]{64}  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  local:\w+ +3 +15 ", row)
    assert row.endswith("First pictures")


def test_a_terminal_gets_what_fits_it(spawn: Spawn, run: Run, cats: str) -> None:
    del spawn
    run("push", cats, "cats/train/0 é.txt", "-m", "A long message " * 20)
    shown = on_terminal("ls", cats, columns=70)
    assert all(len(line) <= 70 for line in shown.splitlines())
    assert re.search(r"^[0-9a-f]{12}  (just now|\d+ seconds ago)", shown, re.MULTILINE)
    assert "…" in shown


def test_a_terminal_gets_colour_unless_it_is_refused(run: Run, cats: str) -> None:
    del run
    assert "\x1b[" in on_terminal("ls", cats, plain=False)
    assert "\x1b[3" not in on_terminal("ls", cats, "--no-color", plain=False)
    assert "\x1b[1;31merror" in on_terminal("ls", "nowhere", code=3, plain=False)
    assert "\x1b" not in on_terminal("ls", "nowhere", "--no-color", code=3, plain=False)


def test_nothing_stored_can_drive_the_terminal(run: Run, cats: str) -> None:
    evil = "title \x1b]0;owned\x07 \u202egnp"
    run("push", cats, "report", "-m", evil)
    for result in (run("ls", cats).stdout, run("log", cats).stdout, on_terminal("log", cats)):
        assert not {"\x1b", "\x07", "\u202e"} & set(result)
    assert r"\x1b]0;owned\x07" in run("log", cats).stdout
    assert document(run("log", cats, "--json"), VersionList).items[0].message == evil


def test_stdout_that_cannot_show_a_name(spawn: Spawn, cats: str) -> None:
    done = spawn(f"ks ls {cats}@latest", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert r"train/0 \xe9.txt" in done.stdout


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (3 * 10**12, "3.0 TB")],
)
def test_sizes(value: int, text: str) -> None:
    assert _format.size(value) == text
    assert _format.size(value, exact=True) == str(value)


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (timedelta(seconds=-1), "just now"),
        (timedelta(seconds=-59), "59 seconds ago"),
        (timedelta(minutes=-61), "1 hour ago"),
        (timedelta(days=2, minutes=1), "in 2 days"),
        (timedelta(days=-45), "1 month ago"),
        (timedelta(days=-800), "2 years ago"),
    ],
)
def test_times(ahead: timedelta, text: str) -> None:
    assert _format.moment(datetime.now(UTC) + ahead) == text


def test_exact_times_are_utc() -> None:
    assert _format.moment(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), exact=True) == (
        "2030-01-02T03:04:05Z"
    )
