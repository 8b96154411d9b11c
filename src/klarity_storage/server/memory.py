"""Give memory back to the system that a burst of large answers took."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1


def give_memory_back() -> None:
    """Let glibc keep few heaps, and map what is large by itself, so that freeing it frees it.

    Left alone it keeps a heap for each thread, and puts there whatever is smaller than the largest
    piece that was ever freed: after 200 readers at once, hundreds of MiB that nobody uses.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    mallopt(_ARENA_MAX, 2)
    mallopt(_MMAP_THRESHOLD, 64 << 10)
    mallopt(_TRIM_THRESHOLD, 1 << 20)
