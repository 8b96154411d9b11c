"""How arguments read: principals, durations, moments, key=value pairs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SCALED = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGTP]?)(i?B?)")
_SHOWING = re.compile(r"(.+)=(image|table|overlay of .+)", re.DOTALL)
_DURATION = re.compile(r"(\d+)([smhdw]?)")


class Principal(click.ParamType[str]):
    """``alice`` means ``user:alice``; ``group:…`` and ``service:…`` are said, ``anyone`` is all."""

    name = "principal"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        del param, ctx
        text = str(value)
        return text if ":" in text or text == "anyone" else f"user:{text}"


class Duration(click.ParamType[int]):
    """``90``, ``15m``, ``12h``, ``30d`` or ``2w``, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        match = _DURATION.fullmatch(str(value))
        if not match:
            self.fail(f"{value!r} is not a duration such as 15m, 12h or 30d.", param, ctx)
        return int(match[1]) * _SECONDS[match[2] or "s"]


class Size(click.ParamType[int]):
    """``500MB``, ``50GB``, ``2TiB`` or a plain number, in bytes."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        return _scaled(self, value, "a size such as 500MB or 50GB", param, ctx)


class Count(click.ParamType[int]):
    """``1000``, ``200k`` or ``1M``."""

    name = "count"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        return _scaled(self, value, "a number such as 200k or 1M", param, ctx)


def _scaled(kind: click.ParamType[int], value: Any, what: str, param: Any, ctx: Any) -> int:
    match = _SCALED.fullmatch(str(value).strip())
    if not match or (kind.name == "count" and match[3]):
        kind.fail(f"{value!r} is not {what}.", param, ctx)
    step = 1024 if "i" in match[3] else 1000
    power: int = " kmgtp".index(match[2].lower() or " ")
    return round(float(match[1]) * float(step**power))


class Moment(click.ParamType[datetime]):
    """A date or a time in ISO 8601; UTC unless it says otherwise."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2030-12-31.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Past(Moment):
    """A moment, or how long ago: ``2d``."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, str) and _DURATION.fullmatch(value):
            ago = Duration().convert(value, param, ctx)
            return datetime.now(UTC) - timedelta(seconds=ago)
        return super().convert(value, param, ctx)


class Showing(click.ParamType[dict[str, str]]):
    """``scan.png=image``, ``mask.png=overlay of scan.png``, or ``@FILE``: JSON of such pairs."""

    name = "path=what"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        text = str(value)
        if text.startswith("@"):
            return self._read(text[1:], param, ctx)
        match = _SHOWING.fullmatch(text)
        if not match:
            self.fail(
                f"{text!r} is not PATH=image, PATH=table, 'PATH=overlay of PATH' or @FILE.",
                param,
                ctx,
            )
        return {match[1]: match[2]}

    def _read(self, file: str, param: Any, ctx: Any) -> dict[str, str]:
        try:
            with click.open_file(file, encoding="utf-8") as stream:
                found = json.load(stream)
        except (OSError, ValueError) as error:
            self.fail(f"{file!r} cannot be read: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"{file!r} is no JSON object such as {{'a.png': 'image'}}.", param, ctx)
        return found


class Pair(click.ParamType[tuple[str, str]]):
    """``key=value``."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, rest = str(value).partition("=")
        if not key or not equals:
            self.fail(f"{value!r} is not of the form key=value.", param, ctx)
        return key, rest
