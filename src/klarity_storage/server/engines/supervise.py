"""A child process that is started again when it dies, and that never outlives us."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from klarity_storage.errors import UnavailableError

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 30.0
HEALTHY_AFTER: Final = 60.0
"""Seconds of running after which a death counts as the first one again."""

LOG_LIMIT: Final = 16 * 1024 * 1024
_SPAWN: Final = Path(__file__).with_name("spawn.py")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and where."""

    arguments: Sequence[str]
    environment: dict[str, str] = field(repr=False)  # it holds secrets
    folder: Path
    log: Path
    pid_file: Path


class Supervisor:
    """Runs a command in a thread of its own until it is stopped.

    All children are spawned from that one thread: on Linux a child is told when the *thread* that
    started it ends.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._thread = threading.Thread(target=self._run, name="engine-supervisor", daemon=True)
        self._stopping = threading.Event()
        self._spawning = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._starts = 0
        self._end: str | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    @property
    def trouble(self) -> str | None:
        """None while the child runs, or how the last one ended."""
        return None if self.pid is not None else self._end

    @property
    def deaths(self) -> int:
        """How often it died without being asked to since it last ran for a minute."""
        return self._deaths

    @property
    def restarts(self) -> int:
        """How often it was started again in all."""
        return max(0, self._starts - 1)

    def stop(self, patience: float) -> None:
        """Terminate the child and wait; after ``patience`` seconds kill it."""
        self._stopping.set()
        with self._spawning:
            child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                child.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            started = time.monotonic()
            self._end = self._run_once()
            if time.monotonic() - started > HEALTHY_AFTER:
                wait, self._deaths = FIRST_WAIT, 0
            self._deaths += 1
            self._stopping.wait(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _run_once(self) -> str:
        """Run one child to its end, and say how it ended."""
        with self._spawning:  # or stop() could miss a child that is just being born
            if self._stopping.is_set():
                return "was stopped"
            try:
                self._child = _spawn(self._command)
                self._starts += 1
            except OSError as error:
                return f"cannot be started ({error.strerror})"
        status = self._child.wait()
        return f"ended with signal {-status}" if status < 0 else f"ended with status {status}"


def end_leftover(pid_file: Path, patience: float) -> None:
    """End the child of a server that is gone, if there is one.

    The child holds a lock on its pid file as long as it lives, so a file that is not locked names
    nobody, and one that is locked names the child and never another process.

    Raises:
        UnavailableError: it cannot be ended.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = _holder(pid_file)
        if pid:
            with contextlib.suppress(ProcessLookupError):  # it went by itself
                os.kill(pid, number)
        if _released(pid_file, patience):
            return
    raise UnavailableError(
        f"Process {pid} of an earlier server still uses {pid_file.parent} and cannot be ended.",
        hint=f"End it by hand: kill -9 {pid}",
    )


def _released(pid_file: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while _holder(pid_file) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _holder(pid_file: Path) -> int | None:
    """Who holds the pid file: None for nobody, 0 while that is not yet written."""
    try:
        file = pid_file.open("rb")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or b"0")
    return None


def _spawn(command: Command) -> subprocess.Popen[bytes]:
    """Start the child, which inherits the locked pid file and thereby its lock."""
    with _open_private(command.pid_file) as pid_file, _open_log(command.log) as log:
        fcntl.flock(pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        descriptor = pid_file.fileno()
        shim = [sys.executable, "-I", "-S", str(_SPAWN), str(os.getpid()), str(descriptor)]
        return subprocess.Popen(
            [*shim, *command.arguments],
            env=command.environment,
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(descriptor,),
            # Ctrl-C in the terminal is for the server, which stops its engine last.
            start_new_session=True,
        )


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _open_private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
