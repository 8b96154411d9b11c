"""May the caller do that? Asked by what serves bytes in front of the server."""

from __future__ import annotations

import asyncio

from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.context import Context
from klarity_storage.server.rights.operations import ACTIONS
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require


async def check_right(context: Context, scope: str, operation: Operation) -> None:
    """Pass, or raise what the operation itself would.

    A thread is asked only where the database must be: the hop takes longer than the decision.

    Raises:
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: no grant covers all of the scope.
    """
    action, target = ACTIONS[operation], Pattern.of_scope(scope)
    services = context.services
    if services.audit.at_once and services.rights.decides_at_hand(context.actor, target.space):
        require(context, action, target, about=operation)
    else:
        await asyncio.to_thread(require, context, action, target, about=operation)
