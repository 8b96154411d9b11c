"""/v1/rights."""

from __future__ import annotations

from litestar import get
from litestar.params import FromQuery

from klarity_storage.errors import ForbiddenError, NotFoundError, PrincipalNotFoundError
from klarity_storage.protocol.rights import Action, RightList
from klarity_storage.server.catalog import rights
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

_FAILURES = failures(ForbiddenError, NotFoundError, PrincipalNotFoundError)


@get("/rights", tags=["grants"], responses=_FAILURES, sync_to_thread=True)
def explain_rights(context: Caller, principal: FromQuery[str], target: FromQuery[str]) -> RightList:
    """Say what a principal may do with a target, and by what, or why not."""
    return rights.explain_rights(context, principal, target)


@get("/rights/holders", tags=["grants"], responses=_FAILURES, sync_to_thread=True)
def list_holders(
    context: Caller, target: FromQuery[str], action: FromQuery[Action] = Action.READ
) -> RightList:
    """List every principal that may do something with a target, and by what."""
    return rights.list_holders(context, target, action)


ROUTES = [explain_rights, list_holders]
