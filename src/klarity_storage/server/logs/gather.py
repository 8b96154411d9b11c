"""Lines of the log that nobody waits for are written together."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, TextIO

EVERY: Final = 0.1
"""Seconds that a line waits at most."""

_MANY: Final = 1000
"""Lines that are written at once, however young they are."""


class GatheredLines(logging.Handler):
    """Write to a stream: warnings at once, and what is below them ten times a second.

    To write takes the interpreter away from the event loop, and getting it back costs more than the
    line does: a line for each request halved what a server answered. A process that is killed
    takes the lines of a tenth of a second with it; what must not be lost stands in the audit log.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._last: logging.LogRecord | None = None
        self._wake = threading.Event()
        threading.Thread(target=self._write_on, name="ks-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`, which holds the lock."""
        try:
            self._lines.append(self.format(record))
            self._last = record
            if record.levelno >= logging.WARNING or len(self._lines) >= _MANY:
                self._write()
            elif len(self._lines) == 1:
                self._wake.set()
        except Exception:  # noqa: BLE001 - as all of logging's handlers do: a log that fails stops nobody
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits; logging asks for it when the process ends."""
        self.acquire()
        try:
            self._write()
        finally:
            self.release()

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()

    def _write_on(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(EVERY)
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - as above: the lines are lost, and that is told
                if self._last is not None:
                    self.handleError(self._last)
