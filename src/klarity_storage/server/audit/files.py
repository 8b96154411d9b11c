"""Audit events as JSON lines, one file a day (UTC)."""

from __future__ import annotations

import errno
import json
import os
import threading
from datetime import UTC, date
from pathlib import Path

import msgspec

from klarity_storage.errors import StorageFullError
from klarity_storage.server.audit.sink import AuditEvent


class AuditFiles:
    """Append-only files ``<folder>/YYYY-MM-DD.jsonl``.

    A line is one write with O_APPEND, so it is whole or not there when the process is killed. It is
    not synced to the disk: a power cut may take the last lines, a crash of ours takes none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._day: date | None = None
        self._file = -1

    def write(self, event: AuditEvent) -> None:
        # ASCII only: whoever reads the file in a terminal is safe from its control sequences
        line = json.dumps(msgspec.to_builtins(event)).encode() + b"\n"
        with self._lock:
            try:
                self._open(event.at.astimezone(UTC).date())
                self._append(line)
            except OSError as error:
                raise StorageFullError(
                    f"The audit log cannot be written: {error.strerror}.",
                    hint="Free some space in the data directory, or make it writable.",
                ) from error

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._day = -1, None

    def _open(self, day: date) -> None:
        if day == self._day:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        file = os.open(self._folder / f"{day.isoformat()}.jsonl", flags, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = file, day
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            # a power cut tore the last line: what follows must not be torn with it
            os.write(file, b"\n")

    def _append(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written < len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
