"""May this caller do that? A pure function: no database, no clock, no log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from klarity_storage.protocol.grants import Grant, Role
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.targets import (
    Account,
    GrantRecord,
    Server,
    Target,
    TokenRecord,
)


class Action(StrEnum):
    """What of a target is asked for."""

    LIST = "list"
    """Know that it is there, and which of its parts one may read."""
    READ = "read"
    WRITE = "write"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, whether the caller may know that the target exists, and why."""

    allowed: bool
    visible: bool
    reason: str
    via: str | None = None
    """The id of the grant that allows it, ``administrator`` or ``self``."""


_RANK: Final = {Role.READER: 1, Role.WRITER: 2, Role.OWNER: 3}
ROLES: Final = {
    Action.LIST: Role.READER,
    Action.READ: Role.READER,
    Action.WRITE: Role.WRITER,
    Action.OWN: Role.OWNER,
}
"""The role that an action takes."""

_HIDDEN: Final = Decision(allowed=False, visible=False, reason="no grant reaches it")


def decide(
    actor: Actor, action: Action, target: Target, grants: Iterable[Grant], now: datetime
) -> Decision:
    """Decide by the grants that are the caller's and have not expired.

    Args:
        actor: who asks.
        action: what for.
        target: of what; it exists.
        grants: any grants; those of others and those that have expired count for nothing.
        now: the time that expiry is read against.
    """
    held = [g for g in grants if g.principal in actor.principals and is_live(g, now)]
    match target:
        case GrantRecord(grant=None) | TokenRecord(user=None):
            return Decision(allowed=False, visible=False, reason="there is no such thing")
        case _ if actor.administrator:
            return Decision(
                allowed=True,
                visible=True,
                reason="administrators own everything",
                via="administrator",
            )
        case Server():
            return _on_server(action)
        case Account(user) | TokenRecord(user=str(user)):
            return _on_account(actor, action, target, user, held)
        case GrantRecord(grant=Grant() as grant):
            return _on_grant(actor, action, grant, held)
        case Pattern():
            return _on_pattern(action, target, held)
    raise AssertionError(target)


def is_live(grant: Grant, now: datetime) -> bool:
    """Whether a grant has not expired."""
    return grant.expires_at is None or grant.expires_at > now


def _on_server(action: Action) -> Decision:
    if action in {Action.LIST, Action.READ}:
        return Decision(
            allowed=True, visible=True, reason="every caller may ask what is theirs", via="self"
        )
    return Decision(allowed=False, visible=True, reason="it takes an administrator")


def _on_account(
    actor: Actor, action: Action, target: Target, user: str, held: Sequence[Grant]
) -> Decision:
    if user == actor.user:
        return Decision(allowed=True, visible=True, reason="it is the caller's own", via="self")
    # whoever grants must be able to name whom to: a typing error would else grant to nobody, unseen
    owner = next((g for g in held if g.role is Role.OWNER), None)
    if owner is None or isinstance(target, TokenRecord):
        return _HIDDEN
    if action in {Action.LIST, Action.READ}:
        return Decision(allowed=True, visible=True, reason="owners may look users up", via=owner.id)
    return Decision(allowed=False, visible=True, reason="it takes the user or an administrator")


def _on_grant(actor: Actor, action: Action, grant: Grant, held: Sequence[Grant]) -> Decision:
    owned = _on_pattern(Action.OWN, _pattern(grant.pattern), held)
    if owned.allowed:
        return owned
    if grant.principal not in actor.principals:
        return _HIDDEN
    if action in {Action.LIST, Action.READ}:
        return Decision(allowed=True, visible=True, reason="it is the caller's own", via="self")
    return replace(owned, visible=True)


def _on_pattern(action: Action, target: Pattern, held: Sequence[Grant]) -> Decision:
    inside = [g for g in held if _pattern(g.pattern).space == target.space]
    covering = [g for g in inside if _pattern(g.pattern).covers(target)]
    best = max(covering, key=lambda g: _RANK[g.role], default=None)
    needed = ROLES[action]
    if best is not None and _RANK[best.role] >= _RANK[needed]:
        return Decision(allowed=True, visible=True, reason=f"granted as {best.role}", via=best.id)
    if action is Action.LIST and target.broad and inside:
        # a grant on one name of a space shows that the space is there, and nothing else of it
        return Decision(allowed=True, visible=True, reason="granted a part of it", via=inside[0].id)
    if best is not None:
        return Decision(
            allowed=False, visible=True, reason=f"granted as {best.role}; it takes {needed}"
        )
    if inside and target.broad:
        return Decision(allowed=False, visible=True, reason="no grant covers the whole of it")
    return _HIDDEN


@lru_cache(maxsize=4096)
def _pattern(text: str) -> Pattern:
    """A list asks about every item with the same grants: their patterns are read once."""
    return Pattern.parse(text)
