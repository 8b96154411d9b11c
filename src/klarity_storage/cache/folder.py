"""Where the cache lies, how much it may hold, and how files come out of it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

import platformdirs

from klarity_storage.errors import ConfigurationError

FOLDER_VARIABLE: Final = "KS_CACHE"
SIZE_VARIABLE: Final = "KS_CACHE_SIZE"
LINK_VARIABLE: Final = "KS_CACHE_LINK"

MAX_SIZE: Final = 50 * 1024**3
"""Bytes that the cache may hold when nobody said: a tenth of the disk, but no more than this."""

LINKS: Final = ("auto", "reflink", "hard", "copy")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]i?)?B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def cache_folder() -> Path:
    """Where the cache lies: ``KS_CACHE``, or the user's cache folder of this system."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("klarity-storage"))


def cache_limit(folder: Path) -> int:
    """How many bytes the cache may hold: ``KS_CACHE_SIZE`` (``20GiB``), or a share of the disk."""
    if chosen := os.environ.get(SIZE_VARIABLE):
        return parse_size(chosen)
    while not folder.exists():
        folder = folder.parent
    return min(shutil.disk_usage(folder).total // 10, MAX_SIZE)


def parse_size(text: str) -> int:
    """A number of bytes.

    >>> parse_size("20GiB"), parse_size("1.5 MB"), parse_size("0")
    (21474836480, 1500000, 0)
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ConfigurationError(f"{text!r} is not a size.", hint="Write 20GiB, 500MB or 0.")
    return int(float(match[1]) * (_UNITS | _BINARY)[(match[2] or "").lower()])


def chosen_link(link: str | None = None) -> str:
    """How files come out of the cache: as said, by ``KS_CACHE_LINK``, or ``auto``."""
    how = link or os.environ.get(LINK_VARIABLE) or LINKS[0]
    if how not in LINKS:
        raise ConfigurationError(
            f"{how!r} is no way out of the cache.", hint=f"Choose one of {', '.join(LINKS)}."
        )
    return how
