"""Tokens: what a user shows to be known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from klarity_storage.protocol.base import Request, Response

MAX_LIFE = 3_153_600_000
"""The longest life of a token that ends at all, in seconds: a hundred years."""


class Token(Response, frozen=True):
    """A token as it may be shown: never its secret."""

    id: str
    user: str
    label: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class TokenList(Response, frozen=True):
    items: list[Token]


class CreateToken(Request, frozen=True):
    user: str | None = None
    """Whose token; the caller's own without it. Another's takes an administrator."""
    label: str = ""
    expires_in: Annotated[int, msgspec.Meta(ge=60, le=MAX_LIFE)] | None = None
    """Seconds until it expires; never without it."""


class NewToken(Response, frozen=True):
    """The one answer that holds a token's secret."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r}, secret='***')"
