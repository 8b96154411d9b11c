"""Spaces: the units of ownership."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from klarity_storage.protocol.base import Request, Response

MAX_COUNT = (1 << 63) - 1
"""What a database can count."""


class Strategy(StrEnum):
    """What becomes of what lies in a bucket."""

    REFERENCE = "reference"
    """History stays until somebody deletes it."""
    SCRATCH = "scratch"
    """What was last written some days ago expires by itself."""
    WEB = "web"
    """As reference, and anyone may read it, without a token too."""


class Usage(Response, frozen=True):
    """What lies in a space: files, packs, logs, tables, and what is not collected yet."""

    bytes: int
    objects: int
    counted_at: datetime | None
    """When storage was last asked; since then commits and collections were added up."""


class Quota(Response, frozen=True):
    """What may lie in a space at most; None where there is no end."""

    bytes: int | None = None
    objects: int | None = None


class SetQuota(Request, frozen=True):
    """A space's quota in the place of what it was; a limit that is not given is none."""

    bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None = None
    objects: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None = None


class Phase(StrEnum):
    """How far a move is."""

    COPYING = "copying"
    """Nothing is written to the space meanwhile."""
    FINAL = "final"
    """The last pass: keys to write have ended."""
    CLEARING = "clearing"
    """The space lies in its new bucket; the old objects stay until keys to read have ended."""
    UNDOING = "undoing"
    """It was cancelled; what was copied is deleted."""


class Move(Response, frozen=True):
    """A space on its way to another bucket."""

    bucket: str
    """Where it goes, or has gone."""
    phase: Phase
    bytes: int = 0
    """Copied so far."""
    objects: int = 0
    waits_until: datetime | None = None
    """When keys end that are out."""
    error: str | None = None
    """Why it did not go on the last time; it is tried again."""


class StartMove(Request, frozen=True):
    bucket: str


class Space(Response, frozen=True):
    """A unit of ownership: the first segment of every key in it."""

    key: str
    description: str = ""
    created_at: datetime | None = None
    created_by: str | None = None
    bucket: str = "main"
    """Which bucket of the server it lies in."""
    strategy: Strategy = Strategy.REFERENCE
    days: int | None = None
    """How long after it was written something expires, in scratch."""
    public: bool = False
    """Whether anyone may read it, without a token too."""
    usage: Usage | None = None
    """To those who may read all of it, one space at a time."""
    quota: Quota | None = None
    move: Move | None = None


class SpaceList(Response, frozen=True):
    items: list[Space]


class CreateSpace(Request, frozen=True):
    key: str
    description: str = ""
    bucket: str | None = None
    """Which bucket of the server it is to lie in; the main one without it."""
