"""What tables take on this disk, beside the bounded cache: mirrors, sandboxes, redirected files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from klarity_storage.cache import tables as disk
from klarity_storage.cache.folder import cache_folder

_KINDS: Final = {disk.MIRRORS: "mirror", disk.SANDBOXES: "sandbox", disk.REDIRECTS: "redirect"}


class HeldTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table that stands on this disk."""

    kind: str
    """``mirror``, ``sandbox`` or ``redirect``."""
    table: str
    """Its name; empty where the disk does not say it."""
    folder: str
    bytes: int
    """What its files take; a file that a mirror and a sandbox share is in both."""
    versions: list[int] = []
    """Of a mirror: those that lie here."""
    declared_in: list[str] = []
    """Of a mirror: the ``.safenai`` files that ask for it."""


class HeldTables(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    tables: list[HeldTable]
    bytes: int
    """What they take together, each file once."""


def held_tables() -> HeldTables:
    """The tables of this disk; none of them counts towards the bound of the cache."""
    found = [table for kind in _KINDS for table in _of_kind(kind)]
    return HeldTables(tables=found, bytes=disk.bytes_of(Path(table.folder) for table in found))


def _of_kind(kind: str) -> Iterator[HeldTable]:
    folder = cache_folder() / kind
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not place.is_dir():
            continue
        users = list(disk.users_of(place))
        yield HeldTable(
            kind=_KINDS[kind],
            table=next((user.table for user in users if user.table), _sandboxed(place)),
            folder=str(place),
            bytes=disk.bytes_of([place]),
            versions=sorted(disk.versions_of(place)),
            declared_in=sorted(user.file for user in users),
        )


def _sandboxed(place: Path) -> str:
    try:
        return str(msgspec.json.decode((place / "sandbox.json").read_bytes())["name"])
    except (FileNotFoundError, msgspec.DecodeError):
        return ""
