"""The files of a version as a document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from klarity_storage.protocol.base import Response

if TYPE_CHECKING:
    from klarity_storage.versions.manifest import FileInfo


class FileEntry(Response, frozen=True, kw_only=True):
    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str


class FileList(Response, frozen=True, kw_only=True):
    items: list[FileEntry]

    @classmethod
    def of(cls, files: Iterable[FileInfo], below: str | None = None) -> Self:
        """The files, or those at or below a path."""
        folder = f"{below}/"
        return cls(
            items=[
                FileEntry(
                    path=file.path, size=file.size, sha256=file.sha256, media_type=file.media_type
                )
                for file in files
                if below is None or file.path == below or file.path.startswith(folder)
            ]
        )
