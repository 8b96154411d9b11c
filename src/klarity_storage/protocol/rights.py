"""Who may do what, and why: the decisions themselves, asked for in advance."""

from __future__ import annotations

from enum import StrEnum

from klarity_storage.protocol.base import Response
from klarity_storage.protocol.grants import Grant


class Action(StrEnum):
    """What of a target is asked for."""

    LIST = "list"
    """Know that it is there, and which of its parts one may read."""
    READ = "read"
    WRITE = "write"
    OWN = "own"


class Right(Response, frozen=True, kw_only=True):
    """One decision about one principal."""

    principal: str
    action: Action
    allowed: bool
    reason: str
    via: str | None = None
    """The id of the grant that allows it, or ``administrator``."""
    grant: Grant | None = None
    """That grant; its principal is the group through which it counts."""


class RightList(Response, frozen=True):
    target: str
    items: list[Right]
