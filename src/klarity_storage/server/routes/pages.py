"""/web: front ends as browsers load them, by path; by host name the same addresses begin at "/"."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request, Router, get, route
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.response.base import ASGIResponse

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.web import deployment_name
from klarity_storage.server.context import Context
from klarity_storage.server.http.remote import caller_address
from klarity_storage.server.http.request_id import request_id
from klarity_storage.server.rights.actor import Stranger
from klarity_storage.server.routes.files import tell_methods
from klarity_storage.server.web.address import parse_page_address
from klarity_storage.server.web.find import Asked, Found, find_page
from klarity_storage.server.web.hosts import SHOWN
from klarity_storage.server.web.response import ASK_AGAIN, answer_page
from klarity_storage.server.web.site import nothing_here, open_site

_ROOT: Final = "/{space:str}/{deployment:str}"


async def know_nobody(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Pages are loaded without a token, and one that comes along is not looked at."""
    scope = connection.scope
    number, remote = request_id(scope), caller_address(scope)
    services = connection.app.state.services
    scope["user"] = Context(services, Stranger(), handler.handler_name, number, remote)


async def show_page(request: Request[Context, Any, Any]) -> ASGIResponse:
    """Send a file of the version that a deployment shows."""
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        raise InvalidInputError(f"{request.method} takes no body here.", hint="Send none.")
    context = request.user
    found = await asyncio.to_thread(_find, context, request)
    if isinstance(found, str):
        headers = {"Location": found, "Cache-Control": ASK_AGAIN}
        return ASGIResponse(status_code=307, headers=headers)
    return answer_page(context.services, found, request.headers, request.method)


def _find(context: Context, request: Request[Context, Any, Any]) -> Found:
    raw = request.scope["raw_path"].partition(b"?")[0]
    host = request.scope["state"].get(SHOWN)
    if host is not None:
        space, _, deployment = host.partition("/")
        root = "/"
    elif context.services.web.settings.paths:
        space, deployment = request.path_params["space"], request.path_params["deployment"]
        root = f"/web/{space}/{deployment}/"
        if raw == root[:-1].encode():
            return root
    else:
        raise nothing_here()
    name = deployment_name(space, deployment)
    if not raw.startswith(root.encode()):
        raise nothing_here()
    address = parse_page_address(raw[len(root) :])
    site = open_site(context, name, f"page {address.path}")
    return find_page(site, Asked(address, root, request.headers))


def _routes() -> list[HTTPRouteHandler]:
    found: list[HTTPRouteHandler] = []
    for path in (_ROOT, f"{_ROOT}/{{path:path}}"):
        # first, or Litestar adds its own
        found.append(route(path, http_method="OPTIONS", include_in_schema=False)(tell_methods))
        found.append(get(path, include_in_schema=False)(show_page))
        found.append(route(path, http_method="HEAD", include_in_schema=False)(show_page))
    return found


ROUTER = Router("/web", route_handlers=_routes(), guards=[know_nobody])
