"""Time whole commands, with their memory, in turns; compare them by medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One command that ended well."""

    seconds: float
    memory: int
    """The peak of its process and children together, in bytes."""


@dataclass
class Row:
    """One operation, by every contender that can do it."""

    operation: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    stored: dict[str, list[int]] = field(default_factory=dict)
    """Bytes that the operation added to storage."""

    def median(self, contender: str) -> float:
        return statistics.median(run.seconds for run in self.runs[contender])

    def ratio(self, contender: str, to: str) -> float:
        """How many times as long it took, by rounds that both had: they met the same machine."""
        pairs = zip(self.runs[contender], self.runs.get(to, []), strict=False)
        ratios = [one.seconds / other.seconds for one, other in pairs]
        return statistics.median(ratios) if ratios else float("nan")

    def added(self, contender: str) -> float:
        return statistics.median(self.stored[contender])

    def memory(self, contender: str) -> int:
        return max(run.memory for run in self.runs[contender])


def run(command: list[str], *, cwd: Path, env: dict[str, str]) -> Run:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; what it said is shown.
    """
    with tempfile.TemporaryFile() as said:
        begin = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=os.environ | env, stdout=said, stderr=subprocess.STDOUT
        )
        watch = _Watch(process.pid)
        code = process.wait()
        seconds = time.monotonic() - begin
        memory = watch.end()
        if code:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{said.read().decode(errors='replace')}")
    return Run(seconds, memory)


class _Watch:
    """Samples the resident memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._ended.wait(0.05):
            self._peak = max(self._peak, sum(_resident(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    family = [pid]
    for parent in family:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        family.extend(int(child) for child in children.split())
    return family


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
