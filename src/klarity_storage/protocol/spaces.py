"""Spaces: the units of ownership."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from klarity_storage.protocol.base import Request, Response


class Strategy(StrEnum):
    """What becomes of what lies in a bucket."""

    REFERENCE = "reference"
    """History stays until somebody deletes it."""
    SCRATCH = "scratch"
    """What was last written some days ago expires by itself."""
    WEB = "web"
    """As reference, and anyone may read it, without a token too."""


class Space(Response, frozen=True):
    """A unit of ownership: the first segment of every key in it."""

    key: str
    description: str = ""
    created_at: datetime | None = None
    created_by: str | None = None
    bucket: str = "main"
    """Which bucket of the server it lies in."""
    strategy: Strategy = Strategy.REFERENCE


class SpaceList(Response, frozen=True):
    items: list[Space]


class CreateSpace(Request, frozen=True):
    key: str
    description: str = ""
    bucket: str | None = None
    """Which bucket of the server it is to lie in; the main one without it."""
