"""What credentials are asked for: a space, a kind of a space, or one name."""

from __future__ import annotations

from dataclasses import dataclass

from klarity_storage.errors import InvalidReferenceError
from klarity_storage.layout import (
    Kind,
    Name,
    check_name,
    kind_prefix,
    parse_kind,
    raw_binary_prefix,
    space_prefix,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """``space``, ``space/kind`` or ``space/kind/name``.

    >>> Scope.parse("vision/tables/runs").prefixes
    ['vision/tables/runs/', 'vision/raw_binary/runs/']
    """

    space: str
    kind: Kind | None = None
    name: Name | None = None

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope.

        Raises:
            InvalidReferenceError: the text has another form.
            InvalidNameError: a part breaks the naming rule.
        """
        parts = text.split("/")
        if len(parts) > 3:
            raise InvalidReferenceError(
                f"{text!r} is not a scope.", hint="Write space, space/kind or space/kind/name."
            )
        space = check_name(parts[0], "space")
        kind = parse_kind(parts[1]) if len(parts) > 1 else None
        if kind is Kind.RAW_BINARY:
            raise InvalidReferenceError(
                f"{text!r} is no scope of its own: raw binaries belong to their table.",
                hint=f"Ask for {'/'.join([space, Kind.TABLES, *parts[2:]])}.",
            )
        if kind is None or len(parts) < 3:
            return cls(space, kind)
        return cls(space, kind, Name(space, kind, parts[2]))

    def __str__(self) -> str:
        return "/".join(
            part for part in (self.space, self.kind, self.name and self.name.name) if part
        )

    @property
    def prefixes(self) -> list[str]:
        """What it covers, each with its closing slash; a table covers its rows' binaries."""
        if self.name is not None:
            mine = self.name.prefix
            return [mine, raw_binary_prefix(self.name)] if self.kind is Kind.TABLES else [mine]
        if self.kind is not None:
            mine = kind_prefix(self.space, self.kind)
            binaries = kind_prefix(self.space, Kind.RAW_BINARY)
            return [mine, binaries] if self.kind is Kind.TABLES else [mine]
        return [space_prefix(self.space)]
