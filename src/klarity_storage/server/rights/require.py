"""The only way to what rights guard: it decides, records the decision, and raises or lets pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from klarity_storage.errors import ForbiddenError
from klarity_storage.protocol.grants import Grant
from klarity_storage.server.audit.sink import AuditEvent
from klarity_storage.server.context import Context
from klarity_storage.server.logs.lines import without_secrets
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.cache import RightsCache
from klarity_storage.server.rights.decide import ABSENT, ROLES, Action, Decision, decide
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.read import version_of
from klarity_storage.server.rights.targets import (
    Account,
    GroupRecord,
    Server,
    Target,
    absent,
    scope_of,
)

T = TypeVar("T", bound=Target)


def require(context: Context, action: Action, target: T, *, about: str = "") -> T:
    """Return the target when the caller may do that to it; record the decision either way.

    Args:
        context: who asks, by which operation.
        action: what for.
        target: of what.
        about: what the audit line says beside that: whom a grant is for, which version.

    Raises:
        NotFoundError: the target does not exist, or the caller may not see it.
        ForbiddenError: the caller may see it, but not do this.
        UnavailableError: the decision cannot be made or recorded.
    """
    now = datetime.now(UTC)
    decision, grants = _decision(context, action, target, now)
    context.services.audit.write(
        AuditEvent(
            at=now,
            request_id=context.request_id,
            principal=context.actor.principal,
            token_id=context.actor.token_id,
            remote=context.remote,
            operation=context.operation,
            action=action,
            target=str(target),
            scope=scope_of(target),
            about=without_secrets(about),  # the text of a query holds whatever its author put in
            allowed=decision.allowed,
            hidden=not decision.visible,
            via=decision.via,
            grant_version=next((version_of(g) for g in grants if g.id == decision.via), None),
            reason=decision.reason,
        )
    )
    context.services.metrics.decided(context.operation, allowed=decision.allowed)
    if decision.allowed:
        return target
    if not decision.visible:
        raise absent(target)
    raise ForbiddenError(
        f"{context.actor.principal} may not {_verb(action)} {_told(target)}: {decision.reason}.",
        hint=_hint(context.actor, action, target, decision),
    )


def permitted(context: Context, action: Action = Action.READ) -> Callable[[Target], bool]:
    """A filter for lists, by the caller's grants as they stand now.

    The list itself was allowed, and recorded, by ``require``.
    """
    now = datetime.now(UTC)
    grants = context.services.rights.grants_held(context.actor)
    return lambda target: decide(context.actor, action, target, grants, now).allowed


def _decision(
    context: Context, action: Action, target: Target, now: datetime
) -> tuple[Decision, list[Grant]]:
    """The decision, and the grants that it was made by."""
    rights = context.services.rights
    space = target.space if isinstance(target, Pattern) else None
    held = rights.grants_held(context.actor, space)
    decision = decide(context.actor, action, target, held, now)
    if not _is_there(rights, target, visible=decision.visible):
        decision = ABSENT
    return decision, held


def _is_there(rights: RightsCache, target: Target, *, visible: bool) -> bool:
    """Whether what the target names is there; of a record, whoever read it knows.

    For whom it would be hidden it is looked up anew: memory, which holds only what is there, would
    answer sooner for what is.
    """
    match target:
        case Pattern() if visible:
            return rights.has_space(target.space)
        case Account() if visible:
            found = rights.account(target.user)
            return found is not None and found.service == target.service
        case Pattern() | Account() | GroupRecord():
            return rights.look_up(target)
        case _:
            return True


def _verb(action: Action) -> str:
    return "administer" if action is Action.OWN else action


def _told(target: Target) -> str:
    return f"the {target}" if isinstance(target, Server) else str(target)


def _hint(actor: Actor, action: Action, target: Target, decision: Decision) -> str:
    if decision.narrowed:
        return "Use a token of the same account that is not narrowed, or narrowed less."
    match target:
        case Pattern(name=None):
            return f"Ask for one name of {target}, or an owner of it for a grant on the whole."
        case Pattern():
            role = ROLES[action]
            return f"Ask an owner of {target} for: ks grant add {actor.principal} {role} {target}"
        case _:
            return "Ask an administrator."
