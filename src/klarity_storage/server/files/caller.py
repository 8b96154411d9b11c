"""Who reads a file: by a token, and the one place for those who have none."""

from __future__ import annotations

from typing import Any

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
from klarity_storage.server.rights.require import require


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
