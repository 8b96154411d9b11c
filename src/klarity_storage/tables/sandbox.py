"""A writable table that begins as a version of another and costs what is changed in it.

Its folder has the version twice, as hard links to the mirror's files: ``base/`` stays as it was,
``table/`` is written to. Delta never writes into a Parquet file that it has, so neither the mirror
nor the base sees what happens in the table.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
from deltalake import DeltaTable

from klarity_storage.layout import Name, Reference
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.mirror import Link

_ORIGIN: Final = "sandbox.json"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox on this disk.

    Attributes:
        name: the table that it began as.
        folder: where it lies.
        id: its own, by which a promotion is known.
    """

    name: Name
    folder: Path
    id: str

    @property
    def base(self) -> TableLocation:
        """What it began as."""
        return TableLocation(self.name, str(self.folder / "base"))

    @property
    def table(self) -> TableLocation:
        """What it is now."""
        return TableLocation(self.name, str(self.folder / "table"))

    @property
    def version(self) -> int:
        """The version that it began as."""
        return DeltaTable(self.base.uri).version()

    @property
    def commits(self) -> int:
        """How many commits it has of its own."""
        return DeltaTable(self.table.uri).version() - self.version


class _Origin(msgspec.Struct, frozen=True):
    """What a sandbox's folder says of itself."""

    name: str
    id: str


def read_sandbox(folder: Path) -> Sandbox | None:
    """The sandbox that lies in a folder, if any."""
    try:
        origin = msgspec.json.decode((folder / _ORIGIN).read_bytes(), type=_Origin)
    except FileNotFoundError:
        return None
    return Sandbox(Reference.parse(origin.name).name, folder, origin.id)


def note_origin(folder: Path, name: Name) -> None:
    """Let a new sandbox say what it is of, and who it is."""
    (folder / _ORIGIN).write_bytes(msgspec.json.encode(_Origin(str(name), uuid4().hex)))


def make_sandbox(mirror: Path, target: Path, link: Link) -> None:
    """Write a sandbox into an empty folder.

    Args:
        mirror: what it begins as.
        target: the folder, which nobody knows yet.
        link: how a data file appears twice.
    """
    for copy in ("base", "table"):
        _clone(mirror, target / copy, link)


def _clone(source: Path, target: Path, link: Link) -> None:
    for folder, _, files in os.walk(source):
        here = Path(folder)
        there = target / here.relative_to(source)
        there.mkdir(parents=True)
        for file in files:
            if "_delta_log" in here.parts:
                shutil.copyfile(
                    here / file, there / file
                )  # writable: the log of the table is its own
            else:
                link(here / file, there / file)
