"""A whole server for the tests of the client: `ks serve` with its engine, and data in it.

Prints one line of JSON when it is ready, and ends when its standard input does: with whoever
started it, however that ends.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import klarity_storage as ks

SEEDS = sorted(file.stem for file in Path(__file__).with_name("seeds").glob("[a-z]*.py"))
SETTINGS = """
[files]
origins = {origins}
[limits]
guesses = 0
[buckets.site]
strategy = "web"
"""
RUN = "from klarity_storage.cli.main import run; run()"


def main(origins: list[str]) -> None:
    """Serve until standard input ends."""
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, stop)
    with tempfile.TemporaryDirectory(prefix="ks-js-") as home:
        data = Path(home) / "data"
        data.mkdir()
        (data / "klarity.toml").write_text(SETTINGS.format(origins=json.dumps(origins)))
        log = Path(home) / "log"
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [sys.executable, "-c", RUN, "serve", "--data", str(data), "--port", "0"],
                stderr=stream,
                stdin=subprocess.DEVNULL,
                preexec_fn=follow,  # noqa: PLW1509 - there is one thread
            )
        try:
            wait(server, log)
            address = json.loads((data / "server.json").read_text())["address"]
            token = re.search(r"ks_[A-Za-z0-9_-]{43}", log.read_text())[0]
            print(json.dumps(seed(address, token, Path(home))), flush=True)
            sys.stdin.read()
        finally:
            server.terminate()
            server.wait(30)


def follow() -> None:
    """Let the server end with this process, also where this is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def stop(number: int, _frame: object) -> None:
    """End in order, and not at once as a signal does."""
    raise SystemExit(128 + number)


def wait(server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers."""
    deadline = time.monotonic() + 60
    while "ready" not in log.read_text().split():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.02)


def seed(address: str, token: str, home: Path) -> dict[str, object]:
    """What the seeds put there, each under its name."""
    here = Path(__file__).parent
    # what other programs write, the tests of tables make too
    sys.path[:0] = [str(here), str(here.parents[3] / "tests" / "tables")]
    told: dict[str, object] = {"address": address, "token": token}
    with ks.connect(address, token=token) as admin:
        for name in SEEDS:
            folder = home / name
            folder.mkdir()
            told[name] = importlib.import_module(f"seeds.{name}").seed(admin, folder)
    return told


if __name__ == "__main__":
    main(sys.argv[1:])
