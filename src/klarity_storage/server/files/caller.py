"""Who reads a file: by a token, and the one place for those who have none."""

from __future__ import annotations

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from klarity_storage.errors import NotFoundError, UnauthenticatedError
from klarity_storage.layout import Name
from klarity_storage.server.context import Context
from klarity_storage.server.http.authentication import know_the_caller
from klarity_storage.server.http.remote import caller_address
from klarity_storage.server.http.request_id import header, request_id
from klarity_storage.server.rights.actor import Stranger
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.refusals import HEADER, Refusal
from klarity_storage.server.rights.require import require

_REFUSAL: Final = HEADER.lower().encode()
_STATE: Final = "ks_refusal"


async def know_the_reader(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Find the caller before anything of the address is read; without a token it is a stranger.

    Raises:
        UnauthenticatedError: there is a token, but not one that is good.
    """
    scope = connection.scope
    if header(scope, b"authorization") or scope.get("method") == "OPTIONS":
        await know_the_caller(connection, handler)
        return
    services = connection.app.state.services
    number, remote = request_id(scope), caller_address(scope)
    scope["user"] = Context(services, Stranger(), handler.handler_name, number, remote)


async def know_the_reader_or_refusal(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """As ``know_the_reader``; who was refused when a proxy asked ahead is told just that.

    Raises:
        UnauthenticatedError: there is a token, but not one that is good.
    """
    number = header(connection.scope, _REFUSAL)
    if number:
        services = connection.app.state.services
        found = services.refusals.take(number, request_id(connection.scope))
        if found is not None and not found.known:
            raise found.error
        connection.scope["state"][_STATE] = found
    await know_the_reader(connection, handler)


def tell_refusal(scope: Any, name: Name, part: str) -> None:
    """Raise what this request was refused that with when a proxy asked ahead, if it was.

    Args:
        scope: of the request.
        name: what it reads.
        part: which version of it, or which file of a table.
    """
    found: Refusal | None = scope["state"].get(_STATE)
    if found is not None and (found.target, found.part) == (str(name), part):
        raise found.error


def require_reading(context: Context, name: Name, about: str) -> Pattern:
    """As ``rights.require``; a stranger is told to log in, whether the name is there or not.

    Raises:
        NotFoundError: there is no such name, or the caller may not see it.
        UnauthenticatedError: it is not public, and the request holds no token.
    """
    try:
        return require(context, Action.READ, Pattern.of(name), about=about)
    except NotFoundError:
        if isinstance(context.actor, Stranger):
            raise UnauthenticatedError(
                "The request holds no token.", hint="Log in: ks login."
            ) from None
        raise
