"""Uploads into a directory that were killed: obstore writes ``name#1`` first, and renames it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.gc import Upload

_STAGED: Final = re.compile(r".+#\d+")
"""What a listing of obstore's leaves out (object_store, ``local.rs``)."""


class DirectoryUploads:
    """The uploads of a directory.

    Args:
        directory: the bucket.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def under(self, prefix: str) -> Iterator[Upload]:
        """Those below a prefix.

        Raises:
            StorageError: the directory cannot be read.
        """
        with told_as_ours(prefix):
            for file in (self._directory / prefix).rglob("*#*"):
                if not _STAGED.fullmatch(file.name):
                    continue
                key = file.relative_to(self._directory).as_posix()
                with suppress(FileNotFoundError):  # an upload that just ended renamed it
                    started = datetime.fromtimestamp(file.stat().st_mtime, UTC)
                    yield Upload(key, key, started)

    def size(self, upload: Upload) -> int:
        """Bytes that were written; 0 when it is gone."""
        try:
            return (self._directory / upload.key).stat().st_size
        except FileNotFoundError:
            return 0

    def abort(self, upload: Upload) -> None:
        """Delete it; one that is gone already is as good."""
        with told_as_ours(upload.key):
            (self._directory / upload.key).unlink(missing_ok=True)
