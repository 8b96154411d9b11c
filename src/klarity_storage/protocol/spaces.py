"""Spaces: the units of ownership."""

from __future__ import annotations

from datetime import datetime

from klarity_storage.protocol.base import Request, Response


class Space(Response, frozen=True):
    """A unit of ownership: the first segment of every key in it."""

    key: str
    description: str = ""
    created_at: datetime | None = None
    created_by: str | None = None


class SpaceList(Response, frozen=True):
    items: list[Space]


class CreateSpace(Request, frozen=True):
    key: str
    description: str = ""
