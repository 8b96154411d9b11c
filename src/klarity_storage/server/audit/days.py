"""Lines in files of a day each (UTC): appended to, read from either end, dropped whole."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final

_BLOCK: Final = 1 << 16


class DayFiles:
    """Append-only files ``<folder>/YYYY-MM-DD.jsonl``.

    A line is one write with O_APPEND, so it is whole or not there when the process is killed. It is
    not synced to the disk: a power cut may take the last lines, a crash of ours takes none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._day: date | None = None
        self._file = -1

    def append(self, day: date, line: bytes) -> bool:
        """Write a line, which ends in a line feed, to the file of a day.

        Returns:
            Whether it opened the file: the day has begun, or the process has.

        Raises:
            OSError: it is not written.
        """
        with self._lock:
            opened = self._open(day)
            written = os.write(self._file, line)
            if written < len(line):
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened

    def days(self) -> list[date]:
        """The days that have a file, the first one first."""
        found = (_day_of(file) for file in self._folder.glob("*.jsonl"))
        return sorted(day for day in found if day)

    def path(self, day: date) -> Path:
        return self._folder / f"{day.isoformat()}.jsonl"

    def drop_before(self, day: date) -> list[date]:
        """Remove the files of all days before that one, and say which."""
        past = [each for each in self.days() if each < day]
        for each in past:
            self.path(each).unlink(missing_ok=True)
        return past

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._day = -1, None

    def _open(self, day: date) -> bool:
        if day == self._day:
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path(day), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = file, day
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            # a power cut tore the last line: what follows must not be torn with it
            os.write(file, b"\n")
        return True


def _day_of(file: Path) -> date | None:
    try:
        return date.fromisoformat(file.stem)
    except ValueError:
        return None


def forward(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines from an offset on, each with the offset at which it ends."""
    file.seek(start)
    for line in file:
        start += len(line)
        yield start, line


def backward(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """The lines before an offset, the last one first, each with the offset at which it begins."""
    begun = b""
    while end > 0:
        size = min(_BLOCK, end)
        end -= size
        file.seek(end)
        begun, *lines = (file.read(size) + begun).split(b"\n")
        offset = end + len(begun) + sum(len(line) + 1 for line in lines) + 1
        for line in reversed(lines):
            offset -= len(line) + 1
            if line:
                yield offset, line
    if begun:
        yield 0, begun
