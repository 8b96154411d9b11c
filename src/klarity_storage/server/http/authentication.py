"""Who the caller is, by the bearer token of the request."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import SkipValidation

from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.audit.refused import refused_caller
from klarity_storage.server.catalog import tokens
from klarity_storage.server.context import Context
from klarity_storage.server.http.remote import caller_address
from klarity_storage.server.http.request_id import header, request_id
from klarity_storage.server.oidc.authenticate import authenticate, authenticate_at_hand
from klarity_storage.server.oidc.verify import is_jwt
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.services import Services

_SCHEME: Final = "bearer "

Caller: TypeAlias = NamedDependency[SkipValidation[Context]]
"""The parameter by which a handler gets the context of its request."""


async def know_the_caller(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Find the caller before anything of the request is read.

    Raises:
        UnauthenticatedError: there is no token, or not one that is good; that is recorded.
        RateLimitedError: too many that are not good came from there.
        UnavailableError: it cannot be recorded, or what the token is held against cannot be had.
    """
    if connection.scope.get("method") == "OPTIONS":  # browsers ask it before they send a token
        return
    services: Services = connection.app.state.services
    remote = caller_address(connection.scope)
    number = request_id(connection.scope)
    try:
        secret = _bearer(header(connection.scope, b"authorization"))
        actor = await actor_of(services, secret, number, remote)
    except UnauthenticatedError as error:
        told = refused_caller(error, handler.handler_name, number, remote)
        await asyncio.to_thread(services.audit.write, told)
        raise
    connection.scope["user"] = Context(services, actor, handler.handler_name, number, remote)


async def actor_of(services: Services, secret: str, request_id: str, remote: str) -> Actor:
    """Whose token it is: one of this server's own, or a JWT of an issuer that it trusts.

    A thread is asked only where the database must be.

    Args:
        services: the server's parts.
        secret: the bearer token.
        request_id: of the request that it came with.
        remote: the address that this came from.

    Raises:
        UnauthenticatedError: nobody's, or it is not good any more.
        RateLimitedError: too many that are not good came from there.
        UnavailableError: what it is held against cannot be had.
    """
    foreign = bool(services.issuers) and is_jwt(secret)
    at_hand = authenticate_at_hand if foreign else tokens.authenticate_at_hand
    known = at_hand(services, secret)
    if known is not None:
        return known
    with services.guesses.watched(remote, secret):
        if foreign:
            return await authenticate(services, secret, request_id, remote)
        return await asyncio.to_thread(tokens.authenticate, services, secret)


def context_of(request: Request[Context, Any, Any]) -> Context:
    """The context that ``know_the_caller`` made."""
    return request.user


def _bearer(text: str) -> str:
    if not text:
        raise UnauthenticatedError("The request holds no token.", hint="Log in: ks login.")
    if not text.lower().startswith(_SCHEME):
        raise UnauthenticatedError(
            "The request's Authorization is of another scheme than Bearer.",
            hint="Log in: ks login.",
        )
    return text[len(_SCHEME) :].strip()
