from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import click
import msgspec
import pytest
from click.testing import Result

from cli.harness import Run, Spawn
from klarity_storage import errors
from klarity_storage.cli import _errors
from klarity_storage.cli._session import Session
from klarity_storage.protocol.problem import Problem, error_of
from waiting import until


class Failing(Protocol):
    """Run a command that raises what it is told to."""

    def __call__(self, error: BaseException, *args: str, code: int) -> Result: ...


Cls = type[errors.StorageError]
CLASSES = list(errors.error_classes().values())


@pytest.fixture
def failing(run: Run, monkeypatch: pytest.MonkeyPatch) -> Failing:
    def failing(error: BaseException, *args: str, code: int) -> Result:
        def connect(_session: Session) -> None:
            raise error

        monkeypatch.setattr(Session, "connect", connect)
        return run("whoami", *args, code=code)

    return failing


def test_the_table_has_a_line_for_every_class() -> None:
    assert set(_errors.NEXT) == set(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_failure_is_one_sentence_and_one_next_step(
    failing: Failing, cls: type[errors.StorageError]
) -> None:
    result = failing(cls("It went wrong here"), code=cls.exit_code)
    assert result.stdout == ""
    assert result.stderr == f"error: It went wrong here.\ntry: {_errors.NEXT[cls]}\n"


@pytest.mark.parametrize("cls", CLASSES)
def test_a_failure_is_a_problem_with_json(failing: Failing, cls: Cls) -> None:
    result = failing(cls("It went wrong.", request_id="r-1"), "--json", code=cls.exit_code)
    assert result.stdout == ""
    problem = msgspec.json.decode(result.stderr, type=Problem)
    assert type(error_of(problem)) is cls
    assert problem.request_id == "r-1"
    assert problem.hint == _errors.NEXT[cls]


def test_a_hint_on_the_error_wins(failing: Failing) -> None:
    told = failing(errors.ConflictError("No.", hint="ks log vision/datasets/cats"), code=5)
    assert told.stderr == "error: No.\ntry: ks log vision/datasets/cats\n"
    told = failing(errors.ConflictError("No.", hint="Rename the file."), code=5)
    assert told.stderr == "error: No.\nhint: Rename the file.\n"


def test_a_class_without_a_line_is_told_as_its_parent() -> None:
    class NewError(errors.ConflictError):
        code = "conflict"

    assert _errors.next_step(NewError("x")) == _errors.NEXT[errors.ConflictError]


def test_an_unexpected_exception_is_a_defect_without_traceback(failing: Failing) -> None:
    result = failing(RuntimeError("boom\nsecond line"), code=1)
    assert result.stderr.startswith(
        "error: Something that should not happen did: RuntimeError: boom second line.\n"
    )
    assert "--traceback" in result.stderr


def test_a_server_that_is_not_installed(failing: Failing) -> None:
    result = failing(ModuleNotFoundError("No module named 'litestar'", name="litestar"), code=2)
    assert "litestar is not installed" in result.stderr
    assert "klarity-storage[server]" in result.stderr


def test_a_traceback_is_shown_to_those_who_ask(spawn: Spawn) -> None:
    line = "ks whoami --at ftp://x --traceback 2>&1 | grep -c '^Traceback'"
    assert spawn(line).stdout == "1\n"


def test_secrets_in_messages_are_masked(failing: Failing) -> None:
    secret = "ks_" + "a" * 43
    for args in ((), ("--json",), ("--traceback",)):
        result = failing(RuntimeError(f"bad header {secret}"), *args, code=1)
        assert secret not in result.stderr
        assert "ks_***" in result.stderr


def test_control_characters_in_messages_are_written_out(failing: Failing) -> None:
    result = failing(errors.NotFoundError("no \x1b[31mred\x07 thing"), code=3)
    assert "\x1b" not in result.stderr
    assert r"\x1b[31mred\x07" in result.stderr


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("push", 2, "Missing argument"),
        ("ls --nonsense", 2, "No such option"),
        ("push vision/datasets/cats ./nothing", 2, "does not exist"),
        ("push vision/things/cats cats", 2, "is not a kind"),
        ("push vision/datasets/Cats cats", 2, "'Cats'"),
        ("push vision/datasets/cats cats --metadata nonsense", 2, "key=value"),
        ("push vision/datasets/cats cats --tag latest", 2, "cannot be a tag"),
        ("pull vision/datasets/dogs out", 3, "vision/datasets/dogs"),
        ("pull ks://vision/datasets/dogs@latest/train out", 3, "vision/datasets/dogs"),
        ("ls nowhere", 3, "nowhere"),
        ("ls vision/tables/runs", 2, "no versions"),
        ("log vision/datasets/dogs", 3, "vision/datasets/dogs"),
        ("tag vision/datasets/dogs@latest prod", 3, "vision/datasets/dogs"),
        ("user ls", 2, "Local mode"),
        ("token create", 2, "Local mode"),
        ("grant ls", 2, "Local mode"),
        ("credentials vision", 2, "Local mode"),
        ("credentials vision --duration soon", 2, "not a duration"),
        ("table show vision/tables/runs", 3, "vision/tables/runs"),
        ("table query nonsense", 2, "nonsense"),
        ("--at ftp://x whoami", 2, "ftp://x"),
        ("--at http://127.0.0.1:9 whoami", 4, "token"),
    ],
)
def test_failures_have_their_code_and_a_way_on(run: Run, line: str, code: int, says: str) -> None:
    result = run(*line.split(), code=code)
    label, way_on = result.stderr.splitlines()
    assert label.startswith("error: ")
    assert says in label
    assert way_on.startswith(("try: ", "hint: "))
    assert result.stdout == ""
    problem = msgspec.json.decode(run("--json", *line.split(), code=code).stderr, type=Problem)
    assert error_of(problem).exit_code == code


def test_a_server_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KS_URL")  # or the token would be kept for that place
    monkeypatch.setenv("KS_TOKEN", "ks_" + "b" * 43)
    result = run("--at", "http://127.0.0.1:9", "whoami", code=7)
    assert "127.0.0.1:9" in result.stderr
    assert "bbbb" not in result.stderr


def test_a_closed_pipe_is_quiet(spawn: Spawn, work: Path) -> None:
    (work / "big.csv").write_text("a\n" + "1\n" * 2_000_000)
    spawn("ks table push demo/tables/big big.csv")
    done = spawn("ks table query 'select * from demo.big' --format csv | head -n 1")
    assert done.stdout == '"a"\n'
    assert done.stderr == ""
    done = spawn("set -o pipefail; ks table query 'select * from demo.big' | head -n 1", code=141)
    assert done.stderr == ""


def test_a_full_disk_is_told(spawn: Spawn) -> None:
    done = spawn("ks whoami > /dev/full", code=7)
    assert done.stderr.startswith("error: There is no room left")


def test_ctrl_c_says_what_next_and_leaves_with_130(work: Path, spawn: Spawn) -> None:
    (work / "ten.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(60_000)))
    spawn("ks table push demo/tables/ten ten.csv")
    endless = "select count(*) from demo.ten x, demo.ten y, demo.ten z where x.a*y.a=z.a*sqrt(z.a)"
    ks = Path(sys.executable).parent / "ks"
    process = subprocess.Popen(
        # whoever runs the tests in the background may let them ignore it
        ["env", "--default-signal=INT", ks, "table", "query", endless, "--format", "table"],
        cwd=work,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_busy(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err.strip()) == (130, "error: Stopped. Nothing was changed.")
    assert out == ""


def _wait_until_busy(process: subprocess.Popen[str]) -> None:
    """Until the query's own thread runs: a signal before that would meet the imports."""

    def runs() -> bool:
        assert process.poll() is None
        return any("tokio" in name for name in _threads(process.pid))

    until(runs)


def _threads(process: int) -> Iterator[str]:
    """The names of a process's threads; one that has just ended has none."""
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            yield (task / "comm").read_text()


def test_abort_is_told_as_nothing_done(failing: Failing) -> None:
    result = failing(click.Abort(), code=1)
    assert result.stderr == "error: Nothing was done.\n"
