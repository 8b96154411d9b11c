"""How much of all answers is in memory at once, so that many slow readers do not fill it."""

from __future__ import annotations

from collections import deque
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes of a piece, where few read at once."""

LEAST: Final = 64 << 10
"""Bytes of a piece that a reader gets in any case."""

SMALL: Final = 128 << 10
"""Bytes of an answer that is fetched whole before it is sent."""

_SHARE: Final = 4
"""A piece takes one in so many of the bytes that are left: whoever comes later gets some, too."""

_TIMES: Final = 2
"""How often a piece is in memory at most: as it came, and as it goes on."""

SLOW: Final = 4 << 20
"""Bytes a second; who takes less gets small pieces."""

_PROOF: Final = 64 << 20
"""Bytes that whoever let a stream wait has to take quickly before the next one begins.

Where a stream is let go, what was under way is lost: some megabytes as a rule, and as much as the
kernel lets wait at most.
"""

_KEPT: Final = 8
"""The HTTP server keeps some six of what it is handed, of each reader: not more than a piece."""

_AT_ONCE: Final = (16 << 10, LARGEST)
"""Bytes that are handed to it at once, at least and at most."""


class Budget:
    """The memory of all answers together; used on one loop.

    Args:
        total: bytes that large pieces may take; small ones are always given.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total

    @property
    def ample(self) -> bool:
        """Whether half of it is left, and more than a few pieces."""
        return self._left > max(self._total // 2, _SHARE * LARGEST)

    @property
    def spent(self) -> bool:
        """Whether nothing of it is left."""
        return self._left <= 0

    def take(self, wanted: int) -> int:
        """How many bytes of those that are wanted come next; they are its own until given back."""
        size = min(wanted, max(LEAST, min(LARGEST, self._left // _SHARE)))
        self._left -= _TIMES * size
        return size

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._left += _TIMES * size


class Window:
    """The pieces that one answer holds, from when they are asked for until they are sent."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held: deque[int] = deque()
        self._unproved = 0
        self.slow = False
        """Whether the last piece had to wait for its reader."""
        self.streams = False
        """Whether the engine sends on."""

    def take(self, wanted: int) -> int:
        """As `Budget.take`; a slow reader takes little at once."""
        self._held.append(self._budget.take(min(wanted, LEAST) if self.slow else wanted))
        return self._held[-1]

    def may_stream(self, *, on: bool) -> bool:
        """Whether the engine may send on, which takes memory that counts nowhere."""
        begins = self._budget.ample and self._unproved <= 0
        goes_on = on and not self._budget.spent  # to begin again costs more
        self.streams = not self.slow and (begins or goes_on)
        return self.streams

    def let_go(self) -> None:
        """Note that the reader is slow, before the piece that it takes is given back."""
        self.slow = True
        if self.streams:
            self.streams, self._unproved = False, _PROOF

    def sent_at_once(self, piece: int) -> int:
        """Bytes of a piece that are handed to the HTTP server at once."""
        least, most = _AT_ONCE
        return most if self.streams else min(most, max(least, piece // _KEPT))

    def give(self, seconds: float = 0.0) -> None:
        """Give back the oldest piece, which its reader took within that time."""
        size = self._held.popleft()
        self._budget.give(size)
        if seconds > 0.1 and seconds * SLOW > size:
            self.let_go()
        else:
            self.slow = False
            self._unproved -= size

    def close(self) -> None:
        """Give back all."""
        while self._held:
            self.give()
