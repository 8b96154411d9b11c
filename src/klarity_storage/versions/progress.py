"""What a transfer tells while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase of a transfer is."""

    phase: str
    """``hashing``, ``compressing``, ``uploading``, ``downloading`` or ``verifying``."""
    done_bytes: int
    total_bytes: int
    done_files: int
    total_files: int


OnProgress = Callable[[Progress], None]
"""Called many times a second, from the transfer's worker threads, one call at a time."""


class Meter:
    """Adds up what worker threads did and tells one listener."""

    def __init__(
        self, phase: str, total_bytes: int, total_files: int, listener: OnProgress | None
    ) -> None:
        self._phase = phase
        self._total_bytes = total_bytes
        self._total_files = total_files
        self._listener = listener
        self._bytes = 0
        self._files = 0
        self._lock = threading.Lock()
        self._tell()

    def advance(self, size: int, *, files: int = 0) -> None:
        """Add bytes, and files that are complete with them."""
        if self._listener is None:
            return
        with self._lock:
            self._bytes += size
            self._files += files
            self._tell()

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener(
                Progress(
                    self._phase, self._bytes, self._total_bytes, self._files, self._total_files
                )
            )
