"""Tokens: what a user or a service shows to be known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from klarity_storage.protocol.base import Request, Response

MAX_LIFE = 3_153_600_000
"""The longest life of a token that ends at all, in seconds: a hundred years."""

MAX_SCOPES = 32


class Token(Response, frozen=True):
    """A token as it may be shown: never its secret."""

    id: str
    user: str
    """The name of the account that it is of."""
    label: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    service: bool = False
    """Whether the account is a service's."""
    scopes: list[str] = []
    """What it is narrowed to, each ``role:space[/kind[/name-glob]]``; nothing where empty."""


class TokenList(Response, frozen=True):
    items: list[Token]


class CreateToken(Request, frozen=True):
    user: str | None = None
    """Whose token; the caller's own without it. Another's takes an administrator."""
    service: str | None = None
    """Which service's token: takes an owner of its space, or an administrator."""
    label: str = ""
    expires_in: Annotated[int, msgspec.Meta(ge=60, le=MAX_LIFE)] | None = None
    """Seconds until it expires; never without it."""
    scopes: Annotated[list[str], msgspec.Meta(max_length=MAX_SCOPES)] = []
    """What it is narrowed to, each ``role:space[/kind[/name-glob]]``: it may never do more than its
    account, and with scopes it may do no more than they say."""


class NewToken(Response, frozen=True):
    """The one answer that holds a token's secret."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r}, secret='***')"
