"""One progress bar a transfer, on stderr, where a person watches; then one line, everywhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from klarity_storage.cli import _format
from klarity_storage.cli._output import Output

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from klarity_storage.versions.progress import Progress

_INTERVAL = 0.1
"""Seconds between two looks of the bar: transfers tell thousands of times a second."""


class Transfer:
    """Watches one push or pull: given to it as ``progress``, then asked for a ``summary``."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._started = time.monotonic()
        self._drawn = 0.0
        self._last: Progress | None = None
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        """Take what a worker thread tells."""
        changed = self._last is None or self._last.phase != progress.phase
        self._last = progress
        now = time.monotonic()
        if self._bar is not None and (changed or now - self._drawn >= _INTERVAL):
            self._drawn = now
            self._draw(progress)

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._out.quiet:
            self._bar = _new_bar(self._out)
            self._task = self._bar.add_task("starting", total=None, files="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def summary(self, done: str) -> None:
        """Tell in one line what was moved, and how long it took."""
        moved = self._last
        if moved is None or moved.phase == "hashing" or not moved.total_files:
            amount = "everything was there already,"
        else:
            amount = (
                f"{_format.things(moved.total_files, 'file')}, {_format.size(moved.total_bytes)}"
            )
        self._out.say(f"{done}: {amount} in {_format.duration(self.seconds)}.")

    def _draw(self, progress: Progress) -> None:
        assert self._bar is not None and self._task is not None  # noqa: S101, PT018
        self._bar.update(
            self._task,
            description=progress.phase,
            completed=progress.done_bytes,
            total=progress.total_bytes,
            files=f"{progress.done_files:,}/{_format.things(progress.total_files, 'file')}",
        )


def _new_bar(out: Output) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]}"),
        console=Console(file=sys.stderr, no_color=not out.color or None),
        transient=True,
    )
