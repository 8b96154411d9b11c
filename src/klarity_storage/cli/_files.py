"""The files of a version as a document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self, TypeVar

from klarity_storage.protocol.base import Response

if TYPE_CHECKING:
    from klarity_storage.versions.manifest import FileInfo
    from klarity_storage.versions.select import Folder


class FileEntry(Response, frozen=True, kw_only=True):
    path: str
    size: int
    """In bytes."""
    sha256: str
    media_type: str


class FileList(Response, frozen=True, kw_only=True):
    items: list[FileEntry]

    @classmethod
    def of(cls, files: Iterable[FileInfo]) -> Self:
        return cls(items=[_entry(FileEntry, file) for file in files])


class FolderEntry(Response, frozen=True, kw_only=True):
    """A file, or a folder, whose path ends in a slash and which has nothing else."""

    path: str
    size: int | None = None
    """In bytes."""
    sha256: str | None = None
    media_type: str | None = None


class FolderList(Response, frozen=True, kw_only=True):
    """What stands directly in one folder, the folders first."""

    items: list[FolderEntry]

    @classmethod
    def of(cls, folder: Folder) -> Self:
        folders = [FolderEntry(path=f"{path}/") for path in folder.folders]
        return cls(items=folders + [_entry(FolderEntry, file) for file in folder.files])


Entry = TypeVar("Entry", FileEntry, FolderEntry)


def _entry(kind: type[Entry], file: FileInfo) -> Entry:
    return kind(path=file.path, size=file.size, sha256=file.sha256, media_type=file.media_type)
