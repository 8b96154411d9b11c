"""Numbers of ranges, compared in nginx: it has regular expressions, and no arithmetic."""

from __future__ import annotations

from typing import Final

NUMBER: Final = "(?:0|[1-9][0-9]{0,17})"
"""A number that has one way to be written."""

_AS_LONG: Final = "([0-9](?:-|(?-1))[0-9])$"
"""Two numbers with a dash between them, up to the end, that have as many digits."""

_PIECE: Final = r"^200\|(?:|([^|]*)(?=\|\g{-1}\|))\|[^|]*\|"
"""An answer with a part of the file: ``If-Range`` lacks, or names the file's own tag."""


def ends_before() -> str:
    """The lines of a map that know a range whose end is less than its beginning."""
    return _lines(r"\|bytes=", '""')


def beyond() -> str:
    """The lines of a map that know a range that begins behind the last byte of its piece."""
    return _lines(_PIECE, "1")


def _lines(before: str, value: str) -> str:
    return "".join(f'        "~{before}{greater}" {value};\n' for greater in _greater())


def _greater() -> tuple[str, str]:
    """More digits before the dash (``10-9``), or as many with a larger one (``25-24``)."""
    larger = (f"{digit}[0-9]*-\\g{{-1}}[0-{digit - 1}]" for digit in range(1, 10))
    return f"[1-9][0-9]*{_AS_LONG}", f"(?={_AS_LONG})([0-9]*)(?:{'|'.join(larger)})"
