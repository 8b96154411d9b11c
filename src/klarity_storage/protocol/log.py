"""The log of a name: one JSON object an entry, told apart by ``action``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from klarity_storage.layout import manifest_object

SERVER = "server"
"""Who did what nobody asked for: let something expire. No caller has a principal like it."""


class StoredObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object that a version refers to."""

    key: str
    """Relative to the name's prefix: ``<version hash>/<path>``."""
    size: int
    """In bytes."""
    etag: str | None = None
    """Where the engine's is stable."""


class Footer(msgspec.Struct, frozen=True):
    """The end of a manifest, which holds the digests of its parts: see docs/format.md."""

    bytes: int
    sha256: str


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="action"):
    """What every action has: when, by whom, and the id of the write."""

    at: datetime
    by: str
    write_id: str


class Commit(Entry, frozen=True, kw_only=True, tag="commit"):
    version: str
    manifest: str
    footer: Footer | None = None
    """Of a manifest that can be read in parts."""
    files: int
    bytes: int
    objects: list[StoredObject]
    message: str = ""
    parents: list[str] = []
    lineage: list[str] = []
    metadata: dict[str, Any] = {}

    @property
    def manifest_key(self) -> str:
        """The key of its manifest, relative to the name's prefix."""
        return manifest_object(self.version, self.manifest)


class Tag(Entry, frozen=True, kw_only=True, tag="tag"):
    tag: str
    version: str


class Untag(Entry, frozen=True, kw_only=True, tag="untag"):
    tag: str


class Delete(Entry, frozen=True, kw_only=True, tag="delete"):
    version: str
    reason: str = ""


class Pin(Entry, frozen=True, kw_only=True, tag="pin"):
    """A version that must stay, since something shows it."""

    version: str
    holder: str
    """What shows it: ``web/prod``, a deployment."""
    entry: int | None = None
    """The number of the entry of the holder's log that is to show it; older ones have none."""


class Unpin(Entry, frozen=True, kw_only=True, tag="unpin"):
    version: str
    holder: str
    pins: list[str] | None = None
    """The ``write_id`` of each pin that is let go; all of the holder's in older ones."""


class Purge(Entry, frozen=True, kw_only=True, tag="purge"):
    objects: list[str]
    """Keys, relative to the name's prefix, that are about to be deleted, and never used again."""


Action = Commit | Tag | Untag | Delete | Pin | Unpin | Purge
