"""Audit events as JSON lines, one file a day (UTC): the record of a server on its own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from klarity_storage.errors import StorageFullError
from klarity_storage.protocol.audit import AuditEvent, AuditPage
from klarity_storage.server.audit.days import DayFiles, backward, forward
from klarity_storage.server.audit.sink import (
    Audience,
    AuditQuery,
    Keep,
    drop_event,
    foreign_cursor,
)

SCAN: Final = 32 << 20
"""Bytes that one page looks through at most, in a few tenths of a second."""

_CURSOR: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,15})")
_decoder: Final = msgspec.json.Decoder(AuditEvent)


class AuditFiles:
    """An `AuditSink` of files ``<folder>/YYYY-MM-DD.jsonl``.

    Args:
        folder: made when the first event is written.
        days: how many whole days stay before today's; all without it.
    """

    at_once = True

    def __init__(self, folder: Path, days: int | None = None) -> None:
        self._files = DayFiles(folder)
        self._days = days

    def write(self, event: AuditEvent) -> None:
        """See `AuditSink.write`."""
        day = event.at.astimezone(UTC).date()
        try:
            if self._files.append(day, _line(event)) and self._days is not None:
                dropped = self._files.drop_before(day - timedelta(days=self._days))
                if dropped:
                    self._files.append(day, _line(drop_event(event, dropped)))
        except OSError as error:
            raise StorageFullError(
                f"The audit log cannot be written: {error.strerror}.",
                hint="Free some space in the data directory, or make it writable.",
            ) from error

    def read(
        self,
        query: AuditQuery,
        *,
        limit: int,
        cursor: str | None = None,
        keep: Keep | None = None,
        audience: Audience | None = None,
    ) -> AuditPage:
        """See `AuditSink.read`."""
        del audience  # there is nothing to look up in
        wanted = [json.dumps(text).encode() for text in (query.who, query.request) if text]
        found: list[AuditEvent] = []
        scanned = 0
        for day, offset, line in self._lines(query, _place(cursor)):
            scanned += len(line)
            event = _event(line) if all(text in line for text in wanted) else None
            if event is not None and query.matches(event) and (keep is None or keep(event)):
                found.append(event)
            if len(found) == limit or scanned >= SCAN:
                return AuditPage(items=found, next=f"{day}.{offset}")
        return AuditPage(items=found)

    def close(self) -> None:
        self._files.close()

    def _lines(self, query: AuditQuery, place: _Place | None) -> Iterator[tuple[date, int, bytes]]:
        """The lines of the days that the query is about, each with where the next page begins."""
        days = [day for day in self._files.days() if _is_of(query, day)]
        for day in days if query.oldest_first else reversed(days):
            at = place.offset if place and place.day == day else None
            if place and at is None and (day < place.day) is query.oldest_first:
                continue
            try:
                file = self._files.path(day).open("rb")
            except FileNotFoundError:
                continue  # dropped since
            with file:
                end = os.fstat(file.fileno()).st_size
                _check(file.fileno(), at, end)
                if query.oldest_first:
                    lines = forward(file, at or 0)
                else:
                    lines = backward(file, end if at is None else at)
                yield from ((day, offset, line) for offset, line in lines)


class _Place(NamedTuple):
    day: date
    offset: int


def _place(cursor: str | None) -> _Place | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    try:
        if match:
            return _Place(date.fromisoformat(match[1]), int(match[2]))
    except ValueError:
        pass  # a thirteenth month
    raise foreign_cursor()


def _check(file: int, offset: int | None, end: int) -> None:
    """A page begins where a line does: what is inside of a line could pass for another one."""
    if offset and (offset > end or os.pread(file, 1, offset - 1) != b"\n"):
        raise foreign_cursor()


def _is_of(query: AuditQuery, day: date) -> bool:
    since, until = query.since, query.until
    return (since is None or day >= since.astimezone(UTC).date()) and (
        until is None or day <= until.astimezone(UTC).date()
    )


def _line(event: AuditEvent) -> bytes:
    line = msgspec.json.encode(event)
    if not line.isascii():  # whoever reads the file in a terminal is safe from what drives one
        line = json.dumps(msgspec.to_builtins(event), separators=(",", ":")).encode()
    return line + b"\n"


def _event(line: bytes) -> AuditEvent | None:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None  # torn by a power cut
