"""Groups: users and services that are granted something together."""

from __future__ import annotations

from datetime import datetime

from klarity_storage.protocol.base import Request, Response


class Group(Response, frozen=True):
    name: str
    description: str
    created_at: datetime
    created_by: str
    members: list[str] = []
    """The principals in it, ``user:alice`` or ``service:trainer``, by name."""


class GroupList(Response, frozen=True):
    items: list[Group]


class CreateGroup(Request, frozen=True):
    name: str
    description: str = ""
