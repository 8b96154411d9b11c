"""Who the server takes the caller for."""

from __future__ import annotations

from datetime import UTC, datetime

from klarity_storage.protocol.server import Identity
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action, is_live
from klarity_storage.server.rights.require import require
from klarity_storage.server.rights.targets import Account


def identify(context: Context) -> Identity:
    """The caller, and the grants that are the caller's now."""
    actor = context.actor
    require(context, Action.READ, Account(actor.user, actor.service))
    grants = context.services.rights.grants_held(actor)
    now = datetime.now(UTC)
    return Identity(
        principal=actor.principal,
        display_name=actor.display_name,
        administrator=actor.administrator,
        token_id=actor.token_id,
        grants=[grant for grant in grants if is_live(grant, now)],
        groups=list(actor.groups),
        scopes=[str(scope) for scope in actor.scopes],
    )
