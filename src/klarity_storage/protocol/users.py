"""Users: people who log in."""

from __future__ import annotations

from datetime import datetime

from klarity_storage.protocol.base import Request, Response


class User(Response, frozen=True):
    name: str
    display_name: str
    administrator: bool
    created_at: datetime
    disabled_at: datetime | None = None
    issuer: str | None = None
    """The OpenID Connect issuer that vouches for the user."""


class UserList(Response, frozen=True):
    items: list[User]


class CreateUser(Request, frozen=True):
    name: str
    display_name: str = ""
    administrator: bool = False
