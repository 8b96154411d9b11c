"""Where records of decisions go, and how they are found again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Protocol

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.audit import AuditEvent, AuditPage

Keep = Callable[[AuditEvent], bool]
"""Whether whoever asks may see an event."""


@dataclass(frozen=True)
class AuditQuery:
    """Which events; each part that is given narrows them."""

    who: str | None = None
    """A principal."""
    what: str | None = None
    """``vision/datasets``, and all below it; ``*`` and ``?`` stand for any letters and for one."""
    operation: str | None = None
    request: str | None = None
    """The id of a request, as it stands in the engine's log."""
    since: datetime | None = None
    until: datetime | None = None
    allowed: bool | None = None
    oldest_first: bool = False

    def matches(self, event: AuditEvent) -> bool:
        """Whether it is about this event."""
        return (
            (self.who is None or event.principal == self.who)
            and (self.operation is None or event.operation == self.operation)
            and (self.request is None or event.request_id == self.request)
            and (self.allowed is None or event.allowed is self.allowed)
            and (self.since is None or event.at >= self.since)
            and (self.until is None or event.at < self.until)
            and (self.what is None or self._is_about(event))
        )

    def _is_about(self, event: AuditEvent) -> bool:
        return any(text and self._below.match(text) for text in (event.target, event.scope))

    @cached_property
    def _below(self) -> re.Pattern[str]:
        """Matched from the start; what lies between two stars is never tried again further on."""
        first, *rest = (
            re.escape(part).replace(r"\?", ".")
            for part in re.split(r"\*+", (self.what or "").rstrip("/"))
        )
        between = "".join(f"(?>.*?{part})" for part in rest[:-1])
        last = f".*?{rest[-1]}" if rest else ""
        return re.compile(f"{first}{between}{last}(/|\\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose events may be seen at most, for a sink that can look up rather than look through."""

    principal: str
    spaces: frozenset[str]


class AuditSink(Protocol):
    """An append-only record of decisions."""

    @property
    def at_once(self) -> bool:
        """Whether writing takes microseconds, so that an event loop may do it."""

    def write(self, event: AuditEvent) -> None:
        """Record an event for good before returning; never within a change of the database.

        Raises:
            UnavailableError: it cannot be recorded, so what it is about must not happen.
        """

    def read(
        self,
        query: AuditQuery,
        *,
        limit: int,
        cursor: str | None = None,
        keep: Keep | None = None,
        audience: Audience | None = None,
    ) -> AuditPage:
        """The events of a query, newest first unless it says otherwise.

        Args:
            query: which.
            limit: so many at most; fewer where many were looked through in vain.
            cursor: of the page before.
            keep: which of them may be seen; all without it.
            audience: what ``keep`` keeps at most.

        Raises:
            InvalidInputError: the cursor is none of this record's.
            UnavailableError: the record does not answer.
        """

    def close(self) -> None: ...


def drop_event(on: AuditEvent, days: Sequence[date]) -> AuditEvent:
    """What is recorded of whole days that were dropped, because they were past the ones to keep.

    Args:
        on: the event that was the first of its day.
        days: which were dropped, the first one first.
    """
    return AuditEvent(
        at=on.at,
        request_id=on.request_id,
        principal="server",
        token_id=None,
        operation="drop_audit",
        action="own",
        target="server",
        about=f"{len(days)} days of the audit log, {days[0]} to {days[-1]}",
        allowed=True,
        via="audit.days",
        reason="they are older than the setting keeps",
    )


def foreign_cursor() -> InvalidInputError:
    """What is said of a cursor that no page of this record has given."""
    return InvalidInputError(
        "The cursor is none of this audit log.", hint="Take next of the page before, or none."
    )


__all__ = [
    "Audience",
    "AuditEvent",
    "AuditPage",
    "AuditQuery",
    "AuditSink",
    "Keep",
    "drop_event",
    "foreign_cursor",
]
