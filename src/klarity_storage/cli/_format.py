"""How values read: short for a person at a terminal, exact for whatever reads a pipe."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

Form = Callable[[object, bool], str]
"""Turns a value into text; the flag asks for the exact form."""

SHORT_HASH = 12
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_REORDERING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30, "day"), (12, "month"))


def plain(value: object, exact: bool = False) -> str:
    """Any value on one line, without the control characters that could drive a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if not exact:
        text = text.partition("\n")[0]
    return harmless(text.replace("\n", " "))


def harmless(text: str) -> str:
    """The text with control characters written out, so that it cannot drive a terminal.

    Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(char if _shown(char) else repr(char)[1:-1] for char in text)


def _shown(char: str) -> bool:
    if char in "\n\t":
        return True
    return unicodedata.category(char) not in {"Cc", "Cs"} and (
        unicodedata.bidirectional(char) not in _REORDERING
    )


def digest(value: object, exact: bool = False) -> str:
    """A SHA-256: its first 12 digits, or all of it."""
    text = plain(value, exact)
    return text if exact else text[:SHORT_HASH]


def count(value: object, exact: bool = False) -> str:
    """A number of things, with thousands set apart; ``?`` when it is not known.

    >>> count(336776)
    '336,776'
    """
    if not isinstance(value, int):
        return "?"
    return str(value) if exact else f"{value:,}"


def size(value: object, exact: bool = False) -> str:
    """A number of bytes, in decimal units.

    >>> size(999), size(999_999), size(1_234_567)
    ('999 B', '1.0 MB', '1.2 MB')
    """
    if not isinstance(value, int):
        return "?"
    if exact:
        return str(value)
    amount, unit = float(value), "B"
    for larger in _UNITS:
        if round(amount, 1) < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{value} B" if unit == "B" else f"{amount:.1f} {unit}"


def moment(value: object, exact: bool = False) -> str:
    """A time: how long ago or ahead it is, or ISO 8601 in UTC."""
    if not isinstance(value, datetime):
        return "" if value is None else plain(value)
    if exact:
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return relative((value - datetime.now(UTC)).total_seconds())


def relative(seconds: float) -> str:
    """A distance from now, in its largest unit.

    >>> relative(-7500), relative(3600 * 30), relative(-1)
    ('2 hours ago', 'in 1 day', 'just now')
    """
    amount = abs(seconds)
    if amount < 5:
        return "just now"
    unit = "year"
    for step, name in _STEPS:
        if amount < step:
            unit = name
            break
        amount /= step
    whole = int(amount)
    text = f"{whole} {unit}{'' if whole == 1 else 's'}"
    return f"{text} ago" if seconds < 0 else f"in {text}"


def duration(seconds: float) -> str:
    """How long something took.

    >>> duration(0.04), duration(12.34), duration(75)
    ('0.0 s', '12.3 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def things(number: int, noun: str) -> str:
    """A number and its noun.

    >>> things(1, "file"), things(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
