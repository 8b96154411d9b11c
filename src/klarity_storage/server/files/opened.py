"""The versions that were read of just now: what is known of one, its bytes are found by."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.log import Commit
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest_parts import StoredManifest

RECENT: Final = 2.0
"""Seconds for which a version that stood in the log, in a bucket, is taken to stand there still."""

_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class Opened:
    """A version as it was found."""

    store: ObjectStore
    """The bucket that it lies in."""
    history: History
    """What said that it stands."""
    commit: Commit
    manifest: StoredManifest
    looked: float
    """When it was asked which bucket that is."""


class OpenedVersions:
    """The last of them, by name and hash."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Name, str], Opened] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Name, version: str) -> Opened | None:
        """What was found of a version, where its bucket was asked for just now."""
        found = self._known.get((name, version))
        return found if found is not None and time.monotonic() < found.looked + RECENT else None

    def keep(self, name: Name, opened: Opened) -> None:
        """Remember what was found."""
        with self._lock:
            self._known[name, opened.commit.version] = opened
            self._known.move_to_end((name, opened.commit.version))
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
