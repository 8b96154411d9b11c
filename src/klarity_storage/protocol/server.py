"""Who is asking, and whom."""

from __future__ import annotations

from klarity_storage.protocol.base import Response
from klarity_storage.protocol.grants import Grant
from klarity_storage.protocol.oidc import LoginIssuer


class ServerInfo(Response, frozen=True):
    """What anybody may know of a server."""

    name: str
    version: str
    issuers: list[LoginIssuer] = []
    """Where `ks login` gets tokens for it."""


class Identity(Response, frozen=True):
    """Who the server takes the caller for, and what they were granted."""

    principal: str
    """``user:alice``, or ``service:trainer``."""
    display_name: str
    administrator: bool
    token_id: str | None = None
    grants: list[Grant] = []
    """Those of its groups and of ``anyone`` too."""
    groups: list[str] = []
    scopes: list[str] = []
    """What the token is narrowed to: it may do no more than that, whatever is granted."""


class Readiness(Response, frozen=True):
    """Whether the server can do its work, part by part."""

    ready: bool
    parts: dict[str, str]
    """``ok``, or what is wrong, by part: database, engine."""
