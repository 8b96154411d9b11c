"""Local mode: does the disk do what a store needs?"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from klarity_storage.client.doctor.cache import check_room
from klarity_storage.client.doctor.check import Check, attempt, failed, passed
from klarity_storage.versions.engine_errors import told_as_ours


def check_directory(folder: Path) -> Iterator[Check]:
    """Try the directory of a local store, which is made when something is first put there."""
    yield attempt("directory", lambda: _check_writing(folder))
    yield attempt("room", lambda: check_room("room", folder))


def _check_writing(folder: Path) -> Check:
    """Two who write one file at once: the second one must be refused, or a commit could be lost."""
    place = folder
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        return failed("directory", f"{place} is not a directory", "Name a directory.")
    with (
        told_as_ours(f"the directory {str(place)!r}"),
        tempfile.TemporaryDirectory(prefix=".ks-doctor-", dir=place) as trial,
    ):
        store = LocalStore(trial)
        name = secrets.token_hex(8)
        store.put(name, b"first", mode="create")
        try:
            store.put(name, b"second", mode="create")
        except (AlreadyExistsError, FileExistsError):
            return passed("directory", f"{folder} can be written, and keeps one of two writers")
    return failed(
        "directory",
        f"the disk of {folder} lets one writer overwrite another",
        "Put the store on another disk.",
    )
