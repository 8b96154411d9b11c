"""Whether the server is up, and who it is: what anybody may ask."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from klarity_storage.protocol.server import Readiness, ServerInfo
from klarity_storage.server.catalog.readiness import check_parts

_VERSION = version("klarity-storage")
_NOT_READY = ResponseSpec(Readiness, generate_examples=False, description="A part is not ready.")


@get("/healthz", tags=["server"], media_type=MediaType.TEXT, sync_to_thread=False)
def check_health() -> str:
    """Say that the process answers."""
    return "ok\n"


@get("/readyz", tags=["server"], responses={503: _NOT_READY}, sync_to_thread=True)
def check_readiness(request: Request[Any, Any, Any]) -> Response[Readiness]:
    """Say whether the server can do its work, part by part."""
    found = check_parts(request.app.state.services)
    return Response(found, status_code=200 if found.ready else 503)


@get("/v1/server", tags=["server"], sync_to_thread=False)
def get_server(request: Request[Any, Any, Any]) -> ServerInfo:
    """Say which server this is, and where to log in; takes no token."""
    issuers = request.app.state.services.issuers.for_login()
    return ServerInfo(name="Klarity Storage", version=_VERSION, issuers=issuers)


ROUTES = [check_health, check_readiness, get_server]
