"""Services: machine accounts, which hold tokens and nothing else."""

from __future__ import annotations

from datetime import datetime

from klarity_storage.protocol.base import Request, Response


class Service(Response, frozen=True):
    name: str
    display_name: str
    created_at: datetime
    space: str | None = None
    """The space whose owners make its tokens and disable it; administrators only without it."""
    disabled_at: datetime | None = None


class ServiceList(Response, frozen=True):
    items: list[Service]


class CreateService(Request, frozen=True):
    name: str
    display_name: str = ""
    space: str | None = None
    """The space whose owners administer it: takes one of them; an administrator without it."""
