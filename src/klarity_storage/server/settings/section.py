"""A section of klarity.toml: settings, each with its type, its default and what it means."""

from __future__ import annotations

from typing import Annotated, get_type_hints

import msgspec

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1)]


def doc(text: str) -> msgspec.Meta:
    """What a setting means."""
    return msgspec.Meta(description=text)


def secret(text: str, variable: str) -> msgspec.Meta:
    """A setting that is never shown, and that the environment may hold under this name.

    In a section of named tables ``{NAME}`` in it stands for the table's name.
    """
    return msgspec.Meta(description=text, extra={"variable": variable})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of klarity.toml."""

    def __repr__(self) -> str:
        hidden = variables_of(type(self))
        shown = (
            f"{field}={'***' if field in hidden else repr(getattr(self, field))}"
            for field in self.__struct_fields__
            if getattr(self, field) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def variables_of(section: type[Section]) -> dict[str, str]:
    """The secrets of a section, with the names under which the environment may hold them."""
    hints = get_type_hints(section, include_extras=True)
    return {
        field: note.extra["variable"]
        for field, hint in hints.items()
        for note in getattr(hint, "__metadata__", ())
        if isinstance(note, msgspec.Meta) and note.extra
    }
