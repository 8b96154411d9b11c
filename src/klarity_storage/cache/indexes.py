"""Where the indexes of names lie on the local disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from klarity_storage.cache.folder import cache_folder


def index_file(location: str, name: str) -> Path:
    """The file of the index of a name at a server or directory: ``vision/datasets/cats``."""
    digest = hashlib.sha256(f"{location}\n{name}".encode()).hexdigest()
    return cache_folder() / "indexes" / f"{digest[:32]}.sqlite"
