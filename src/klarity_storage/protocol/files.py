"""Listings of folders on the read path."""

from __future__ import annotations

from klarity_storage.protocol.base import Response


class FolderEntry(Response, frozen=True):
    """A file or a folder in a folder."""

    name: str
    """Relative to the folder; that of a folder ends in a slash."""
    size: int | None = None
    """In bytes; not of a folder."""
    sha256: str | None = None
    """Of a version's file."""
    media_type: str | None = None
    role: str | None = None
    """What it is to a viewer, where who pushed said so: ``image``, ``overlay`` or ``table``."""
    overlay_of: str | None = None
    """The path, from the top of the version, of the image that an overlay lies on."""


class FolderPage(Response, frozen=True):
    """What stands in a folder, by name, a page at a time."""

    path: str
    """Of the folder; empty for the top."""
    entries: list[FolderEntry]
    version: str | None = None
    """The hash of the version, where it is a folder of one."""
    next: str | None = None
    """What ``after`` is for the page behind this one; None on the last."""
