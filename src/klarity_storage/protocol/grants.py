"""Grants: who has which role on which pattern, until when."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from klarity_storage.protocol.base import Request, Response


class Role(StrEnum):
    """What a grant allows; each role includes those before it."""

    READER = "reader"
    WRITER = "writer"
    OWNER = "owner"


class Grant(Response, frozen=True):
    id: str
    principal: str
    """``user:alice``, ``group:annotators``, ``service:trainer``, or ``anyone``."""
    role: Role
    pattern: str
    """``space[/kind[/name-glob]]``."""
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None


class GrantList(Response, frozen=True):
    items: list[Grant]


class CreateGrant(Request, frozen=True):
    principal: str
    role: Role
    pattern: str
    expires_at: datetime | None = None
