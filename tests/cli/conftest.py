"""A working directory with things to push, a local store beside it, and two ways to run ks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.harness import Run, Spawn
from klarity_storage.cli.main import main


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is the home directory too; KS_URL names a directory in it."""
    for variable in ("KS_TOKEN", "SAFENAI_PROJECT_API", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KS_URL", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    cats = tmp_path / "cats" / "train"
    cats.mkdir(parents=True)
    for number in range(3):
        (cats / f"{number} é.txt").write_text(f"cat {number}")
    (tmp_path / "net.bin").write_bytes(bytes(range(256)) * 16)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<p>fine</p>")
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / "ct.png").write_bytes(b"an image")
    (tmp_path / "scan" / "mask.png").write_bytes(b"another")
    (tmp_path / "runs.csv").write_text("run,split,score\n1,train,0.5\n2,test,0.25\n3,train,\n")
    return tmp_path


@pytest.fixture
def run(work: Path) -> Run:
    """Run ks in this process: fast, without a terminal."""
    del work

    def run(*args: str, stdin: str | None = None, code: int | None = 0) -> Result:
        result = CliRunner().invoke(main, args, input=stdin)
        assert code in {None, result.exit_code}, (args, result.stdout, result.stderr)
        assert "--traceback" in args or "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def spawn(work: Path) -> Spawn:
    """Run a shell line in a process of its own, with ks on its path."""
    binaries = Path(sys.executable).parent

    def spawn(line: str, *, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=work,
            env=os.environ | {"PATH": f"{binaries}:{os.environ['PATH']}"} | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (line, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return spawn


@pytest.fixture
def cats(run: Run) -> str:
    """A dataset of three files that is stored already."""
    run("push", "vision/datasets/cats", "cats", "-m", "First pictures")
    return "vision/datasets/cats"
