"""Which bytes a Range header asks for: RFC 9110, section 14."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from klarity_storage.errors import RangeNotSatisfiableError

MOST: Final = 32
"""Ranges of one answer, after those that touch are joined."""

MOST_ASKED: Final = 200
"""Ranges of one header: more are not looked at."""

GAP: Final = 128
"""Bytes between two ranges that cost less to send than the head of another part."""

_SPEC: Final = re.compile(r"(\d{0,19})-(\d{0,19})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from ``start`` on and before ``end``."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def told(self, size: int) -> str:
        """As Content-Range tells it."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


def parse_ranges(header: str, size: int) -> list[Span] | None:
    """The bytes that a Range header asks for, in order; None where it is to be ignored.

    Ranges that overlap, touch or nearly touch are one.

    Args:
        header: the header's value.
        size: of the file, in bytes.

    Raises:
        RangeNotSatisfiableError: it cannot be read, asks for nothing that is there, or for too
            many pieces.

    >>> parse_ranges("bytes=0-1,1-3,-1000", 10_000)
    [Span(start=0, end=4), Span(start=9000, end=10000)]
    """
    try:
        return _parse(header, size)
    except RangeNotSatisfiableError as error:
        error.size = size
        raise


def _parse(header: str, size: int) -> list[Span] | None:
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None  # of another unit: RFC 9110 has it ignored
    if specs.count(",") >= MOST_ASKED:
        raise _refused(f"it asks for more than {MOST_ASKED} ranges")
    asked = [_read(spec.strip(" \t")) for spec in specs.split(",") if spec.strip(" \t")]
    if not asked:
        raise _refused("it names no range")
    there = [span for first, last in asked if (span := _within(first, last, size)) is not None]
    if not there:
        raise _refused(f"the file has {size} bytes")
    spans = _joined(there)
    if len(spans) > MOST:
        raise _refused(f"it asks for {len(spans)} pieces, and {MOST} are given at most")
    return spans


def _read(spec: str) -> tuple[int | None, int | None]:
    match = _SPEC.fullmatch(spec)
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        raise _refused("it cannot be read")
    if first and last and int(first) > int(last):
        raise _refused("a range ends before it begins")
    return int(first) if first else None, int(last) if last else None


def _within(first: int | None, last: int | None, size: int) -> Span | None:
    if first is None:
        first, last = max(0, size - (last or 0)), size
    end = size if last is None else min(last + 1, size)
    return Span(first, end) if first < end else None


def _joined(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if found and span.start <= found[-1].end + GAP:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _refused(why: str) -> RangeNotSatisfiableError:
    return RangeNotSatisfiableError(
        f"The Range header cannot be served: {why}.", hint="Ask for bytes=FIRST-LAST."
    )
