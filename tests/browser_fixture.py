"""A real Chromium: each call runs one script, in a browser and a profile of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest

FOLDER = Path(__file__).with_name("browser")
PATIENCE = 90.0
"""Seconds until a browser that hangs is ended: far more than any script takes."""

RunInBrowser = Callable[..., Any]


@pytest.fixture
def browser(tmp_path: Path) -> RunInBrowser:
    """Run a script in a new Chromium, and return what its default export returned, as JSON.

    ``browser("about.js", greeting="hello", double=lambda number: 2 * number)`` runs
    ``export default async ({ page, context, ask, greeting }) => …`` of ``tests/browser/about.js``,
    or of any absolute path; `page` and `context` are Playwright's. Functions stay in Python:
    ``await ask("double", 21)`` calls one from within the script, and waits for its answer.
    """

    def run(script: str | Path, **parameters: Any) -> Any:
        functions = {name: value for name, value in parameters.items() if callable(value)}
        order = {
            "script": str(FOLDER / script),
            "parameters": {k: v for k, v in parameters.items() if k not in functions},
            "profile": str(tmp_path / f"profile-{uuid4().hex[:8]}"),
            "executable": shutil.which("chromium") or "chromium",
        }
        process = subprocess.Popen(
            ["node", str(FOLDER / "run.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # SIGTERM, since node then takes its browser along
        watchdog = threading.Timer(PATIENCE, process.send_signal, [signal.SIGTERM])
        watchdog.start()
        try:
            return _converse(process, order, functions)
        finally:
            process.wait(PATIENCE)
            watchdog.cancel()

    return run


def _converse(
    process: subprocess.Popen[str], order: dict[str, Any], functions: dict[str, Callable[..., Any]]
) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as stdin, process.stdout as stdout:
        _send(stdin, order)
        for line in stdout:
            message = json.loads(line)
            if "result" in message:
                return message["result"]
            assert "error" not in message, message["error"]
            _send(stdin, functions[message["ask"]](*message["parameters"]))
    raise AssertionError("the browser ended without a result")


def _send(stream: IO[str], message: object) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()
