from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klarity_storage.server.engines import supervise
from klarity_storage.server.engines.supervise import Command, Supervisor, end_leftover
from waiting import until

Supervise = Callable[[str], Supervisor]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Supervise]:
    """Supervise a Python program, given as text."""
    supervisors: list[Supervisor] = []

    def start(program: str) -> Supervisor:
        command = Command(
            arguments=[sys.executable, "-I", "-c", program],
            environment={},
            folder=tmp_path,
            log=tmp_path / "log",
            pid_file=tmp_path / "pid",
        )
        supervisors.append(Supervisor(command))
        supervisors[-1].start()
        return supervisors[-1]

    yield start
    for each in supervisors:
        each.stop(5)


def test_a_child_that_dies_is_started_again_after_a_growing_wait(
    child: Supervise, tmp_path: Path
) -> None:
    supervisor = child("import time; print(time.monotonic(), flush=True); raise SystemExit(3)")
    assert supervisor.restarts == 0
    until(lambda: supervisor.restarts >= 3)
    assert supervisor.deaths >= 3
    assert supervisor.trouble in {None, "ended with status 3"}
    first, second, third = [float(line) for line in (tmp_path / "log").read_text().split()[:3]]
    assert second - first >= supervise.FIRST_WAIT
    assert third - second >= 2 * supervise.FIRST_WAIT


def test_stop_does_not_sit_out_the_wait(child: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_WAIT", 60.0)
    supervisor = child("pass")
    until(lambda: supervisor.deaths == 1)
    begin = time.monotonic()
    supervisor.stop(5)
    assert time.monotonic() - begin < 5
    assert supervisor.pid is None


def test_a_child_that_will_not_end_is_killed(child: Supervise, tmp_path: Path) -> None:
    supervisor = child(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    until(lambda: (tmp_path / "log").exists() and "deaf" in (tmp_path / "log").read_text())
    pid = supervisor.pid
    supervisor.stop(0.2)
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_cannot_be_started_is_reported_and_tried_again(
    child: Supervise, tmp_path: Path
) -> None:
    (tmp_path / "log").mkdir()
    supervisor = child("print('here', flush=True); import time; time.sleep(600)")
    until(lambda: supervisor.deaths)
    assert "cannot be started (Is a directory)" in (supervisor.trouble or "")
    (tmp_path / "log").rmdir()
    until(lambda: supervisor.pid)
    assert supervisor.trouble is None


def test_a_child_that_is_born_while_it_is_stopped_does_not_stay(
    child: Supervise, tmp_path: Path
) -> None:
    for _ in range(10):
        supervisor = child("import time; time.sleep(600)")
        supervisor.stop(5)
        assert supervisor.pid is None
    end_leftover(tmp_path / "pid", 0)  # there is none, or this would raise


def test_a_deaf_leftover_is_killed(child: Supervise, tmp_path: Path) -> None:
    supervisor = child(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    until(lambda: (tmp_path / "log").exists() and "deaf" in (tmp_path / "log").read_text())
    supervisor._stopping.set()
    end_leftover(tmp_path / "pid", 0.2)
    until(lambda: supervisor.trouble == f"ended with signal {signal.SIGKILL.value}")


def test_a_long_log_is_put_aside_at_the_next_start(
    child: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LOG_LIMIT", 10)
    (tmp_path / "log").write_text("old " * 10)
    child("print('new', flush=True); import time; time.sleep(600)")
    until(lambda: (tmp_path / "log").exists() and "new" in (tmp_path / "log").read_text())
    assert (tmp_path / "log.1").read_text() == "old " * 10


def test_the_supervisor_ends_with_its_last_child(child: Supervise) -> None:
    before = threading.active_count()
    supervisor = child("import time; time.sleep(600)")
    until(lambda: supervisor.pid)
    supervisor.stop(5)
    assert threading.active_count() == before
