"""How much of an answer is in memory at once, so that many slow readers do not fill it."""

from __future__ import annotations

from typing import Final

LARGE: Final = (1 << 20, 256 << 10)
"""Bytes of a piece, where few read at once."""

LEAST: Final = 32 << 10
"""Bytes of a piece, where many do; the engine's client hands out some more."""

SMALL: Final = 128 << 10
"""Bytes of an answer that is fetched whole before it is sent: that is less than a stream holds."""

PIECES: Final = 6
"""Pieces of one answer in memory: fetched, hashed, held back, waiting, on their way, being cut."""


class Budget:
    """The memory of all answers together; used on one loop.

    Args:
        total: bytes that large pieces may take; small ones are always given.
    """

    def __init__(self, total: int) -> None:
        self._left = total

    def take(self, size: int) -> int:
        """The bytes of a piece of an answer of that size, which are its own until given back."""
        for piece in LARGE:
            if (needed := _needed(size, piece)) <= self._left:
                self._left -= needed
                return piece
        return LEAST

    def give(self, size: int, piece: int) -> None:
        """Give back what was taken."""
        if piece > LEAST:
            self._left += _needed(size, piece)


def sent_at_once(piece: int) -> int:
    """Bytes that are handed to the HTTP server at once, of which it keeps some six."""
    return 128 << 10 if piece > LEAST else 16 << 10


def _needed(size: int, piece: int) -> int:
    return min(2 * size, PIECES * piece)
