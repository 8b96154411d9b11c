"""Patterns ``space[/kind[/name-glob]]``: what a grant reaches, and what a decision is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Kind, Name, check_name, parse_kind

_GLOB = re.compile(r"[a-z0-9*?][a-z0-9._*?-]{0,127}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A space, a kind of it, or names of a kind; a plain name is the pattern of itself.

    >>> str(Pattern.parse("vision/datasets/cats-*"))
    'vision/datasets/cats-*'
    """

    space: str
    kind: Kind | None = None
    name: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in (self.space, self.kind, self.name) if part is not None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the pattern of a grant.

        Raises:
            InvalidInputError: it is not ``space[/kind[/name-glob]]``.
        """
        space, *rest = _split(text, "pattern")
        check_name(space, "space")
        kind = parse_kind(rest[0]) if rest else None
        if kind is Kind.RAW_BINARY:
            raise InvalidInputError(
                "Raw binaries have no grants of their own: a table's grant covers its own.",
                hint=f"Write {space}/{Kind.TABLES}{'/' + rest[1] if len(rest) > 1 else ''}.",
            )
        if len(rest) > 1 and not _GLOB.fullmatch(rest[1]):
            raise InvalidInputError(
                f"{rest[1]!r} cannot stand for names in the pattern {text!r}.",
                hint="Use a-z, 0-9, '.', '_', '-', and * or ? for any letters or one.",
            )
        return cls(space, kind, rest[1] if len(rest) > 1 else None)

    @classmethod
    def of_scope(cls, text: str) -> Self:
        """Read what somebody asks for: ``space[/kind[/name]]``, without globs.

        The binaries of a table's rows are covered by the table, so they are read as the table.

        Raises:
            InvalidInputError: it has another form.
        """
        return cls(*_parts_of_scope(text))

    @classmethod
    def of(cls, name: Name) -> Self:
        return cls(name.space, name.kind, name.name)

    @property
    def broad(self) -> bool:
        """Whether it may reach more than one name."""
        return self.name is None or "*" in self.name or "?" in self.name

    def covers(self, other: Pattern) -> bool:
        """Whether everything that the other one reaches is reached by this one.

        >>> Pattern.parse("vision/datasets/cats*").covers(Pattern.parse("vision/datasets/cats2"))
        True
        >>> Pattern.parse("vision/datasets/cats*").covers(Pattern.parse("vision/datasets"))
        False
        """
        if self.space != other.space:
            return False
        if self.kind is None or self.kind != other.kind:
            return self.kind is None
        if self.name is None or self.name == "*":
            return True
        return other.name is not None and bool(_expression(self.name).fullmatch(other.name))


@lru_cache(maxsize=4096)
def _parts_of_scope(text: str) -> tuple[str, Kind | None, str | None]:
    """What was asked for is asked for again: the files of a version are read one by one."""
    space, *rest = _split(text, "scope")
    check_name(space, "space")
    kind = parse_kind(rest[0]) if rest else None
    name = check_name(rest[1]) if len(rest) > 1 else None
    return space, Kind.TABLES if kind is Kind.RAW_BINARY else kind, name


def _split(text: str, what: str) -> list[str]:
    parts = text.split("/")
    if not text or len(parts) > 3 or "" in parts:
        raise InvalidInputError(
            f"{text!r} is not a {what}.",
            hint="Write space, space/kind or space/kind/name, for example vision/datasets/cats.",
        )
    return parts


@lru_cache(maxsize=4096)
def _expression(glob: str) -> re.Pattern[str]:
    """What a glob matches, names and narrower globs alike.

    ``?`` stands for one letter, so another glob's ``?`` fits it and another's ``*`` does not; ``*``
    swallows both. What lies between two stars is taken where it comes first and never tried again
    further on (an atomic group): trying would take time that doubles with every star.
    """
    first, *rest = (
        "".join("[^*]" if char == "?" else re.escape(char) for char in part)
        for part in re.split(r"\*+", glob)
    )
    if not rest:
        return re.compile(first)
    *between, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in between) + f".*{last}")
