"""How a line of the log looks: for people, or for programs; never with a secret in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

REQUEST: Final[ContextVar[str | None]] = ContextVar("ks_request", default=None)
"""The id of the request that the running code works for; threads of a request inherit it."""

FIELDS: Final = "ks_fields"
"""The attribute of a record under which fields of its own stand: ``extra={FIELDS: {…}}``."""

# ours, and what an OpenID provider signs: a library may put one into what it raises
_SECRET: Final = re.compile(r"ks_[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+")
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s%(ks_request)s: %(message)s"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def without_secrets(text: str) -> str:
    """A text in which tokens are not to be read.

    >>> without_secrets("Bearer ks_" + "a" * 43)
    'Bearer ks_***'
    """
    if "ks_" not in text and "eyJ" not in text:  # nearly every line, at a hundredth of the cost
        return text
    return _SECRET.sub(lambda found: f"{found[0][:3]}***", text)


class TextLines(logging.Formatter):
    """``2026-11-23 12:00:00,000 INFO klarity_storage.access [3f9a…]: GET /v1/whoami 200 …``."""

    def __init__(self) -> None:
        super().__init__(_TEXT, "%Y-%m-%d %H:%M:%S")
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback, if there is one."""
        number = REQUEST.get()
        record.ks_request = f" [{number}]" if number else ""
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """One line, whatever a caller has put into a name."""
        text = super().formatMessage(record)
        if text.isprintable():
            return text
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)

    def formatTime(  # noqa: N802 - as above
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """The local time with milliseconds; a second is written once for all that happens in it."""
        second = int(record.created)
        if second != self._second[0]:
            self._second = second, super().formatTime(record, datefmt)
        return f"{self._second[1]},{record.msecs:03.0f}"


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII: no name can break a line or steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The object: time, level, logger, message, request, fields of its own, error."""
        fields = getattr(record, FIELDS, {})
        if record.exc_info:
            fields = fields | {"error": self.formatException(record.exc_info)}
        level = record.levelname.lower()
        line = json_line(level, record.name, record.getMessage(), fields, record.created)
        return without_secrets(line)


def json_line(
    level: str, logger: str, message: str, fields: Mapping[str, Any], at: float | None = None
) -> str:
    """A line of the log as JSON; ``at`` is in seconds since 1970, now unless given."""
    time = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    number = REQUEST.get()
    values = {
        "time": time.isoformat(timespec="milliseconds"),
        "level": level,
        "logger": logger,
        "message": message,
        **({"request": number} if number else {}),
        **fields,
    }
    line = msgspec.json.encode(values, enc_hook=str).decode()
    # msgspec is ten times as fast, and leaves what is not ASCII as it is
    safe = line.isascii() and line.isprintable()
    return line if safe else json.dumps(values, default=str).replace("\x7f", "\\u007f")
