"""The examples do what they say, and leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from waiting import until

TOUR = Path(__file__).parents[1] / "examples" / "tour.py"


def tour(tmp_path: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, TOUR, *options],
        env=os.environ | {"TMPDIR": str(tmp_path), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def running(mark: Path) -> list[str]:
    """The processes whose command line names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if str(mark).encode() in command:
            found.append(command.decode(errors="replace"))
    return found


def test_the_tour_does_the_main_job_and_leaves_nothing(tmp_path: Path) -> None:
    said = tour(tmp_path)
    for part in (
        "29 files; sha256sum agrees with every digest",
        "336,776 rows",
        "Hawaiian Airlines",
        "digest right",
        "There is no secret/datasets/plans.",
        "AccessDenied",
        "nothing is left running",
    ):
        assert part in said
    assert list(tmp_path.iterdir()) == []
    assert running(tmp_path) == []


def test_the_tour_can_leave_its_server_up(tmp_path: Path) -> None:
    said = tour(tmp_path, "--keep")
    found = re.search(r"kill (\d+)", said)
    assert found
    pid = int(found[1])
    try:
        exports = dict(re.findall(r"(KS_\w+)=(\S+)", said))
        done = subprocess.run(
            [Path(sys.executable).with_name("ks"), "ls", "vision"],
            env=os.environ | exports,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "vision/datasets/photographs" in done.stdout
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not running(tmp_path))
