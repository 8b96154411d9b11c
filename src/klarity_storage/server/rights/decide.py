"""May this caller do that? A pure function: no database, no clock, no log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from klarity_storage.protocol.grants import Grant, Role
from klarity_storage.protocol.rights import Action
from klarity_storage.server.rights.actor import Actor, Stranger
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.targets import (
    Account,
    GrantRecord,
    GroupRecord,
    Server,
    Target,
    TokenRecord,
)

__all__ = ["ABSENT", "ROLES", "Action", "Decision", "decide", "is_live"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, whether the caller may know that the target exists, and why."""

    allowed: bool
    visible: bool
    reason: str
    via: str | None = None
    """The id of the grant that allows it, ``administrator`` or ``self``."""
    narrowed: bool = False
    """Whether only the token stands in the way, which was made to do less than its account may."""


class _Held(NamedTuple):
    """A role on a pattern: what a grant gives, and what a token is narrowed to."""

    role: Role
    pattern: Pattern
    id: str


_RANK: Final = {Role.READER: 1, Role.WRITER: 2, Role.OWNER: 3}
ROLES: Final = {
    Action.LIST: Role.READER,
    Action.READ: Role.READER,
    Action.WRITE: Role.WRITER,
    Action.OWN: Role.OWNER,
}
"""The role that an action takes."""

_HIDDEN: Final = Decision(allowed=False, visible=False, reason="no grant reaches it")
ABSENT: Final = Decision(allowed=False, visible=False, reason="there is no such thing")
_OWN: Final = Decision(allowed=True, visible=True, reason="it is the caller's own", via="self")


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
    mine = actor.principals
    held = [
        _Held(grant.role, _pattern(grant.pattern), grant.id)
        for grant in grants
        if grant.principal in mine and is_live(grant, now)
    ]
    decision = _by_grants(actor, action, target, held)
    if not actor.scopes:
        return decision
    return _narrowed(decision, actor, _within_scopes(actor, action, target))


def _by_grants(  # noqa: PLR0911 - one a kind of target
    actor: Actor, action: Action, target: Target, held: Sequence[_Held]
) -> Decision:
    match target:
        case GrantRecord(grant=None) | TokenRecord(user=None):
            return ABSENT
        case _ if isinstance(actor, Stranger) and not isinstance(target, Pattern):
            return _HIDDEN
        case _ if actor.administrator:
            return Decision(
                allowed=True,
                visible=True,
                reason="administrators own everything",
                via="administrator",
            )
        case Server():
            return _on_server(action)
        case Account(user, _, space) | TokenRecord(user=str(user), space=space):
            return _on_account(actor, action, target, user, space, held)
        case GroupRecord(name):
            return _on_group(actor, action, name, held)
        case GrantRecord(grant=Grant() as grant):
            return _on_grant(actor, action, grant, held)
        case Pattern():
            return _on_pattern(action, target, held)
    raise AssertionError(target)


def _within_scopes(actor: Actor, action: Action, target: Target) -> Decision:
    """What the token would allow if each of its scopes were a grant, and nothing else were."""
    held = [_Held(role, pattern, "scope") for role, pattern in actor.scopes]
    match target:
        case TokenRecord(id=token_id):  # it may end itself, and knows of no other one
            return _OWN if token_id == actor.token_id else _HIDDEN
        case Account() if action is Action.OWN:
            # the tokens that it made would be good for more than it is, or outlive it
            known = _by_grants(replace(actor, administrator=False), Action.READ, target, held)
            return replace(known, allowed=False)
        case _:
            return _by_grants(replace(actor, administrator=False), action, target, held)


def _narrowed(decision: Decision, actor: Actor, within: Decision) -> Decision:
    """Allowed is what both allow; visible is what both may see."""
    if within.allowed:
        return decision
    told = ", ".join(map(str, actor.scopes))
    return Decision(
        allowed=False,
        visible=decision.visible and within.visible,
        reason=f"the token is narrowed to {told}" if decision.allowed else decision.reason,
        narrowed=decision.allowed,
    )


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
    actor: Actor,
    action: Action,
    target: Target,
    user: str,
    space: str | None,
    held: Sequence[_Held],
) -> Decision:
    if user == actor.user:
        return _OWN
    if space is not None:
        owned = _on_pattern(Action.OWN, Pattern(space), held)
        if owned.allowed:
            return owned
    if isinstance(target, TokenRecord):
        return _HIDDEN
    return _looked_up(action, held, "it takes the account itself or an administrator")


def _on_group(actor: Actor, action: Action, group: str, held: Sequence[_Held]) -> Decision:
    if group not in actor.groups:
        return _looked_up(action, held, "it takes an administrator")
    if action in {Action.LIST, Action.READ}:
        return replace(_OWN, reason="the caller is in it")
    return Decision(allowed=False, visible=True, reason="it takes an administrator")


def _looked_up(action: Action, held: Sequence[_Held], otherwise: str) -> Decision:
    """Whoever grants must be able to name whom to: a typing error would grant to nobody, unseen."""
    owner = next((h for h in held if h.role is Role.OWNER), None)
    if owner is None:
        return _HIDDEN
    if action in {Action.LIST, Action.READ}:
        return Decision(allowed=True, visible=True, reason="owners may look it up", via=owner.id)
    return Decision(allowed=False, visible=True, reason=otherwise)


def _on_grant(actor: Actor, action: Action, grant: Grant, held: Sequence[_Held]) -> Decision:
    owned = _on_pattern(Action.OWN, _pattern(grant.pattern), held)
    if owned.allowed:
        return owned
    if grant.principal not in actor.principals:
        return _HIDDEN
    if action in {Action.LIST, Action.READ}:
        return _OWN
    return replace(owned, visible=True)


def _on_pattern(action: Action, target: Pattern, held: Sequence[_Held]) -> Decision:
    inside = [h for h in held if h.pattern.space == target.space]
    covering = [h for h in inside if h.pattern.covers(target)]
    best = max(covering, key=lambda h: _RANK[h.role], default=None)
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
