"""The manifests that were asked for last, each opened as far as it was asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.layout import Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.manifest_parts import StoredManifest

FILES: Final = 300_000
"""Files in all manifests that are kept, which bounds their memory to some 100 MB; one always is."""

_MANIFESTS: Final = 256


class Manifests:
    """A manifest never changes, so what was read of one stays true."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, Name, str, str], StoredManifest] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, store: ObjectStore, name: Name, info: VersionInfo) -> StoredManifest:
        """The manifest of a version; nothing of it is read yet, or what was asked for before."""
        # a space that was moved lies in another bucket
        key = (id(store), name, info.version, info.manifest)
        with self._lock:
            found = self._known.setdefault(key, StoredManifest(store, name, info))
            self._known.move_to_end(key)
            while len(self._known) > 1 and self._too_many():
                self._known.popitem(last=False)
            return found

    def _too_many(self) -> bool:
        return len(self._known) > _MANIFESTS or sum(map(len, self._known.values())) > FILES
