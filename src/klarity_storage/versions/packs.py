"""Packs: many small files laid end to end in one object, so that they travel as one.

An object costs some milliseconds however small it is; twenty thousand of them cost minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from klarity_storage.versions.digests import Hashed
from klarity_storage.versions.hashing import read_verified
from klarity_storage.versions.manifest import Extent
from klarity_storage.versions.stored import Placed, content_of

SMALL: Final = 1024 * 1024
"""Bytes; a file of this size is an object of its own: its bytes weigh more than its request."""

FEW: Final = 64
"""So many small files stay plain: it takes a moment, and any S3 tool finds them by their path."""

PACK: Final = 32 * 1024 * 1024
"""Bytes of a pack at most: a connection is at its full speed then, and three fit in memory."""


@dataclass(slots=True)
class Pack:
    """Files that travel together, in the order in which they lie."""

    files: list[Hashed] = field(default_factory=list)
    size: int = 0

    def read(self) -> bytearray:
        """The bytes of the pack, each file read once and made sure to be what was hashed.

        Raises:
            SourceChangedError: a file is another now.
        """
        data = bytearray(self.size)
        at = 0
        for source, file in self.files:
            data[at : at + file.size] = read_verified(source.location, file.size, file.sha256)
            at += file.size
        return data

    def placed(self, key: str) -> Placed:
        """Where the content of its files lies once the pack has this key."""
        placed: Placed = {}
        at = 0
        for _, file in self.files:
            placed[content_of(file)] = (Extent(key, at, file.size),)
            at += file.size
        return placed


def plan_packs(files: Sequence[Hashed]) -> tuple[list[Pack], list[Hashed]]:
    """Which of these files travel as packs, and which as objects of their own.

    The borders follow from the files and their order alone: a second push of the same files makes
    the same packs, wherever it runs.
    """
    small = [item for item in files if item[1].size < SMALL]
    if len(small) <= FEW:
        return [], list(files)
    packs = [Pack()]
    for item in small:
        size = item[1].size
        if packs[-1].size + size > PACK:
            packs.append(Pack())
        packs[-1].files.append(item)
        packs[-1].size += size
    return packs, [item for item in files if item[1].size >= SMALL]
