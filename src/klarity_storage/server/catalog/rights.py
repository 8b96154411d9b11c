"""Who may do what, and why: asked of ``decide()``, which is what would decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from klarity_storage.protocol.grants import Grant
from klarity_storage.protocol.rights import Action, Right, RightList
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import (
    ANYONE,
    PUBLIC,
    Actor,
    Principal,
    PrincipalKind,
    Stranger,
)
from klarity_storage.server.rights.cache import RightsCache
from klarity_storage.server.rights.decide import Decision, decide
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.server.rights.targets import Account, GroupRecord, absent

_USERS = schema.users.c
_MEMBERS = schema.group_members.c
_EVERYBODY: Final = (PUBLIC, ANYONE)
"""Whoever asks, and whoever has a token."""

_DISABLED: Final = Decision(allowed=False, visible=True, reason="the account is disabled")


def explain_rights(context: Context, principal: str, scope: str) -> RightList:
    """What a principal may do with a target, and by what, or why not.

    Everybody may ask for themselves; for others, owners of the target and administrators.

    Raises:
        PrincipalNotFoundError: there is no such principal.
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: it is about another one, and the caller does not own the target.
    """
    asked, target = _parse(principal), Pattern.of_scope(scope)
    caller, rights = context.actor, context.services.rights
    now = datetime.now(UTC)
    if str(asked) == caller.principal:
        own = Account(caller.user, caller.service)
        require(context, Action.READ, own, about=f"rights to {target}")
        subject: Actor | None = caller  # whose token may be narrowed, which is to be explained
        space = Pattern(target.space)
        known = decide(caller, Action.LIST, space, rights.grants_held(caller, space.space), now)
        if not known.visible or not rights.has_space(space.space):
            raise absent(space)
    else:
        require(context, Action.OWN, target, about=f"rights of {asked}")
        subject = _actor_of(rights, asked)
    grants = [] if subject is None else rights.grants_held(subject, target.space)
    items = [_right(str(asked), subject, action, target, grants, now) for action in Action]
    return RightList(target=str(target), items=items)


def list_holders(context: Context, scope: str, action: Action) -> RightList:
    """Every principal that may do that to a target, and by what; the widest ones first.

    Whoever may it as everybody may is not listed beside ``anyone`` or ``public``.

    Raises:
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: the caller does not own the target.
    """
    target = require(context, Action.OWN, Pattern.of_scope(scope), about=f"who may {action}")
    services, now = context.services, datetime.now(UTC)
    with services.database.read() as connection:
        query = select(schema.grants).where(schema.grants.c.space == target.space)
        grants = [msgspec.convert(row, Grant) for row in connection.execute(query).mappings()]
        asked = list(_candidates(connection, grants))
    found = []
    for principal in asked:
        subject = _actor_of(services.rights, principal)
        right = _right(str(principal), subject, action, target, grants, now)
        granted_to = None if right.grant is None else right.grant.principal
        as_everybody = granted_to in _EVERYBODY and granted_to != right.principal
        if right.allowed and not as_everybody:
            found.append(right)
    return RightList(target=str(target), items=found)


def _candidates(connection: Connection, grants: Sequence[Grant]) -> Iterator[Principal]:
    """Who has a grant in the space, by name or through a group, and who administers."""
    named = {_parse(grant.principal) for grant in grants}
    groups = sorted(p.name for p in named if p.kind is PrincipalKind.GROUP)
    names = sorted(p.name for p in named if p.kind not in {None, PrincipalKind.GROUP})
    members = select(_MEMBERS.member).where(_MEMBERS.group.in_(groups))
    query = (
        select(_USERS.name, _USERS.service)
        .where(_USERS.administrator | _USERS.name.in_(names) | _USERS.name.in_(members))
        .order_by(_USERS.service, _USERS.name)
    )
    yield from map(_parse, _EVERYBODY)
    yield from (Principal(PrincipalKind.GROUP, group) for group in groups)
    for row in connection.execute(query):
        yield Principal(PrincipalKind.SERVICE if row.service else PrincipalKind.USER, row.name)


def _parse(text: str) -> Principal:
    """A principal; ``public``, to whom nobody can grant anything, is one, too."""
    return Principal(None, PUBLIC) if text == PUBLIC else Principal.parse(text)


def _actor_of(rights: RightsCache, principal: Principal) -> Actor | None:
    """Who would call as that principal, with any token of theirs; None where it is disabled.

    A group, and anyone, stand for a caller who is nothing else.
    """
    match principal.kind:
        case None:
            stranger = principal.name == PUBLIC
            return Stranger() if stranger else Actor("", "", administrator=False)
        case PrincipalKind.GROUP:
            group = GroupRecord(principal.name)
            if not rights.look_up(group):
                raise absent(group)
            return Actor("", "", administrator=False, groups=(principal.name,))
    service = principal.kind is PrincipalKind.SERVICE
    account = rights.account(principal.name)
    if account is None or account.service != service:
        raise absent(Account(principal.name, service))
    if account.disabled_at is not None:
        return None
    return Actor(
        account.name,
        account.display_name,
        account.administrator,
        service=service,
        groups=account.groups,
    )


def _right(
    principal: str,
    subject: Actor | None,
    action: Action,
    target: Pattern,
    grants: Sequence[Grant],
    now: datetime,
) -> Right:
    decision = _DISABLED if subject is None else decide(subject, action, target, grants, now)
    return Right(
        principal=principal,
        action=action,
        allowed=decision.allowed,
        reason=decision.reason,
        via=decision.via,
        grant=next((grant for grant in grants if grant.id == decision.via), None),
    )
