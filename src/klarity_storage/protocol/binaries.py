"""Binaries of a table's rows; their bytes go between client and engine."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from klarity_storage.protocol.base import Request, Response

MAX_BINARIES: Final = 1_000
"""Rows, or files of a row, of one page."""


class RawRow(Response, frozen=True):
    """A row that has binaries."""

    row: int | str
    """Its index; from the server always as text."""


class RawRowList(Response, frozen=True):
    """The rows of a table that have binaries."""

    items: list[RawRow]
    next: str | None = None
    """What to give as ``after`` for the next page; null when there is none."""


class RawFile(Response, frozen=True):
    """A binary of a row."""

    name: str
    size: int
    """In bytes."""
    media_type: str


class RawFileList(Response, frozen=True):
    """The binaries of a row."""

    items: list[RawFile]
    next: str | None = None
    """What to give as ``after`` for the next page; null when there is none."""


class PushedBinaries(Response, frozen=True):
    """What a push did: files and bytes that were sent, files that were there already."""

    files: int
    bytes: int
    kept: int


class DeleteBinaries(Request, frozen=True):
    """Delete files of rows."""

    rows: Annotated[list[str], msgspec.Meta(min_length=1, max_length=500)]
    """Row indexes; an integer in decimal."""
    names: list[str] | None = None
    """Only these files of them; all without it."""


class DeletedBinaries(Response, frozen=True):
    """What a deletion did."""

    files: int
    """How many there were."""
