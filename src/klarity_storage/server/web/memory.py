"""Small files of front ends in memory: they are asked for again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

LARGEST: Final = 1 << 20
"""Bytes of a file that is kept; larger ones are streamed from the engine."""

_EACH: Final = 256
"""Bytes that an entry takes beside its value, about."""

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """What was asked for last, up to so many bytes in all.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """What is kept under a key, if it is."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, value: Value, size: int) -> Value:
        """Keep a value of so many bytes, and let go of what was not asked for longest."""
        size += _EACH
        with self._lock:
            if key not in self._held and size <= self._total:
                self._held[key] = (value, size)
                self._used += size
            while self._used > self._total:
                _, (_, gone) = self._held.popitem(last=False)
                self._used -= gone
        return value
