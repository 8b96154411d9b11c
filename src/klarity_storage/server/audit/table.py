"""Audit events in the control database: one record for all servers on it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from klarity_storage.errors import StorageError, UnavailableError
from klarity_storage.protocol.audit import AuditEvent, AuditPage
from klarity_storage.server.audit.sink import (
    Audience,
    AuditQuery,
    Keep,
    drop_event,
    foreign_cursor,
)
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database

SCAN: Final = 50_000
"""Rows that one page looks through at most."""

_AT_ONCE: Final = 500
"""Events that go into one transaction, and rows that are read at a time."""

_AUDIT: Final = schema.audit.c
_CURSOR: Final = re.compile(r"\d{1,18}")


class _Line:
    """An event that waits to be written."""

    def __init__(self, event: AuditEvent) -> None:
        self.event = event
        self.woken = threading.Event()
        """Set when it is written, and when it is its turn to write for all that wait."""
        self.done = False
        self.error: StorageError | None = None


class AuditTable:
    """An `AuditSink` of a table that refuses changes by its own triggers.

    Events of requests that run at once go into one transaction: one of them writes for all that
    came while the last ones were written, so a commit is paid for once. Changes of the database
    follow one another, so ids rise in the order in which events can be seen, and no page misses one
    that came late.

    Args:
        database: that of all servers.
        days: how many whole days stay before today's; all without it.
    """

    at_once = False

    def __init__(self, database: Database, days: int | None = None) -> None:
        self._database = database
        self._days = days
        self._day: date | None = None
        self._waiting: list[_Line] = []
        self._writing = False
        self._lock = threading.Lock()

    def write(self, event: AuditEvent) -> None:
        """See `AuditSink.write`."""
        mine = _Line(event)
        with self._lock:
            self._waiting.append(mine)
            first, self._writing = not self._writing, True
        if not first:
            mine.woken.wait()
        if not mine.done:
            self._write_waiting()
        if mine.error is not None:
            raise type(mine.error)(
                f"The decision cannot be recorded. {mine.error.message}", hint=mine.error.hint
            ) from mine.error

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
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise foreign_cursor()
        narrowed = [*_conditions(query), *_seen_by(audience)]
        found: list[AuditEvent] = []
        scanned = 0
        with self._database.read() as connection:
            for number, event in _rows(connection, query, narrowed, cursor):
                scanned += 1
                if query.matches(event) and (keep is None or keep(event)):
                    found.append(event)
                if len(found) == limit or scanned >= SCAN:
                    return AuditPage(items=found, next=str(number))
        return AuditPage(items=found)

    def close(self) -> None:
        """The database is not this one's to close."""

    def _write_waiting(self) -> None:
        """Write all that wait, and wake the first of those who came meanwhile to do the same."""
        with self._lock:
            lines = self._waiting[:_AT_ONCE]
            del self._waiting[:_AT_ONCE]
        try:
            self._write(lines)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._writing = following is not None
            for line in lines:
                line.done = True
                line.woken.set()
            if following is not None:
                following.woken.set()

    def _write(self, lines: list[_Line]) -> None:
        try:
            with self._database.write() as connection:
                connection.execute(insert(schema.audit), [_row(line.event) for line in lines])
                if self._days is not None:
                    self._drop(connection, lines[0].event)
        except StorageError as error:
            for line in lines:
                line.error = error
        except BaseException:
            for line in lines:
                line.error = UnavailableError("The control database failed.", hint="Try again.")
            raise

    def _drop(self, connection: Connection, event: AuditEvent) -> None:
        """Drop the days that are past those to keep, once a day."""
        today = event.at.astimezone(UTC).date()
        if self._day == today or self._days is None:
            return
        self._day = today
        before = str(today - timedelta(days=self._days))
        query = select(_AUDIT.day).where(_AUDIT.day < before).group_by(_AUDIT.day)
        past = [date.fromisoformat(day) for day in sorted(connection.execute(query).scalars())]
        if past:
            connection.execute(insert(schema.audit_drops).values(before=before))
            connection.execute(delete(schema.audit).where(_AUDIT.day < before))
            connection.execute(insert(schema.audit).values(_row(drop_event(event, past))))


def _row(event: AuditEvent) -> dict[str, Any]:
    row = {key: _storable(value) for key, value in msgspec.structs.asdict(event).items()}
    day = str(event.at.astimezone(UTC).date())
    return row | {"day": day, "space": event.scope and event.scope.partition("/")[0]}


def _storable(value: Any) -> Any:
    """PostgreSQL keeps no NUL and no half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return value


def _conditions(query: AuditQuery) -> Iterator[ColumnElement[bool]]:
    """What the database can look up; whether an event matches, the query itself says."""
    if query.who is not None:
        yield _AUDIT.principal == query.who
    if query.operation is not None:
        yield _AUDIT.operation == query.operation
    if query.request is not None:
        yield _AUDIT.request_id == query.request
    if query.allowed is not None:
        yield _AUDIT.allowed.is_(query.allowed)
    if query.since is not None:
        yield _AUDIT.day >= str(query.since.astimezone(UTC).date())
    if query.until is not None:
        yield _AUDIT.day <= str(query.until.astimezone(UTC).date())
    space = (query.what or "").partition("/")[0]
    if space and space != "server" and not set(space) & set("*?:"):
        yield _AUDIT.space == space


def _seen_by(audience: Audience | None) -> Iterator[ColumnElement[bool]]:
    if audience is not None:
        own = _AUDIT.principal == audience.principal
        yield or_(own, _AUDIT.space.in_(sorted(audience.spaces))) if audience.spaces else own


def _rows(
    connection: Connection,
    query: AuditQuery,
    narrowed: Sequence[ColumnElement[bool]],
    cursor: str | None,
) -> Iterator[tuple[int, AuditEvent]]:
    """The rows after a cursor with their ids, read a few at a time."""
    order = _AUDIT.id if query.oldest_first else _AUDIT.id.desc()
    after = None if cursor is None else int(cursor)
    while True:
        asked = select(schema.audit).where(*narrowed).order_by(order).limit(_AT_ONCE)
        if after is not None:
            asked = asked.where(_AUDIT.id > after if query.oldest_first else _AUDIT.id < after)
        rows = connection.execute(asked).mappings().all()
        for row in rows:
            yield row["id"], msgspec.convert(row, AuditEvent)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1]["id"]
