"""What an address below /files/ names, read from the bytes that came, and from nothing else.

Servers decode and tidy paths before they route them; which file is meant, and whether the caller
may have it, is decided by the address as it was sent. Each segment is decoded once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from klarity_storage.errors import InvalidPathError, NotFoundError
from klarity_storage.layout import (
    Kind,
    Name,
    check_path,
    check_selector,
    parse_kind,
    parse_row_segment,
    raw_binary_prefix,
)

ROOT: Final = b"/files/"
LONGEST: Final = 4096
"""Bytes of an address: a key of 1,024 bytes, each written as three, and what stands before it."""

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class TreeAddress:
    """A file or a folder of a version of an artefact, model or dataset."""

    name: Name
    selector: str
    path: str
    """Empty for the top."""
    folder: bool
    """Whether the address ends in a slash: its listing is asked for."""

    def pinned(self, version: str) -> str:
        """The address of the same thing with the whole hash of the version."""
        end = "/" if self.folder and self.path else ""
        return f"{ROOT.decode()}{self.name}/{version}/{quote(self.path)}{end}"


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """An object that belongs to a table: of the table itself, or a binary of one of its rows."""

    table: Name
    prefix: str
    """Of the table's files, or of its rows' binaries."""
    path: str
    """Below the prefix; empty for all of it."""
    folder: bool

    @property
    def of_rows(self) -> bool:
        """Whether it is a binary of a row."""
        return self.prefix != self.table.prefix


Address = TreeAddress | ObjectAddress


def parse_address(path: bytes) -> Address:
    """Read the raw path of a request.

    Raises:
        InvalidNameError: a space, name or selector that cannot be one.
        InvalidPathError: a path that could lead elsewhere, or that no file can have.
        NotFoundError: it is no address of a file.

    >>> parse_address(b"/files/vision/datasets/cats/prod/train/1%20a.png").path
    'train/1 a.png'
    """
    if len(path) > LONGEST:
        raise InvalidPathError("The address is longer than the address of any file.")
    if not path.startswith(ROOT):
        raise _nothing_there()
    segments = [decoded_segment(segment) for segment in path[len(ROOT) :].split(b"/")]
    if folder := len(segments) > 3 and not segments[-1]:
        segments.pop()
    if len(segments) < 3:
        raise _nothing_there()
    space, kind, name, *rest = segments
    match parse_kind(kind):
        case Kind.TABLES:
            table = Name(space, Kind.TABLES, name)
            return ObjectAddress(table, table.prefix, _path(rest), folder or not rest)
        case Kind.RAW_BINARY:
            table = Name(space, Kind.TABLES, name)
            of_row = len(rest) == 1  # all binaries of a row, by its index alone
            return ObjectAddress(table, raw_binary_prefix(table), _of_row(rest), folder or of_row)
        case versioned:
            if not rest:
                raise _nothing_there()
            selector, *below = rest
            found = Name(space, versioned, name)
            return TreeAddress(found, check_selector(selector), _path(below), folder or not below)


def decoded_segment(segment: bytes) -> str:
    """One segment of an address as text.

    Raises:
        InvalidPathError: it cannot be read, or holds a slash.
    """
    if _BAD_ESCAPE.search(segment):
        raise InvalidPathError("The address cannot be read: a '%' has no two digits behind it.")
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise InvalidPathError("The address cannot be read: it is not UTF-8.") from None
    if "/" in text:
        raise InvalidPathError("The address cannot be read: it holds an encoded slash.")
    return text


def _path(segments: list[str]) -> str:
    return check_path("/".join(segments)) if segments else ""


def _of_row(segments: list[str]) -> str:
    if segments and parse_row_segment(segments[0]) is None:
        raise InvalidPathError(
            f"{segments[0]!r:.80} is not the index of a row as a key holds it.",
            hint="Write bytes other than A-Z, a-z, 0-9, '.', '_' and '-' as ~ and two digits.",
        )
    return _path(segments)


def _nothing_there() -> NotFoundError:
    return NotFoundError(
        "There is no file at this address.",
        hint="Write /files/SPACE/KIND/NAME/VERSION/PATH, or /files/SPACE/tables/TABLE/PATH.",
    )
