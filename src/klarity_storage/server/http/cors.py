"""What browsers let pages of other origins read: the origins of the settings, and no others."""

from __future__ import annotations

from typing import Final

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import Message, Scope

from klarity_storage.protocol.queries import VERSION_HEADER
from klarity_storage.server.services import Services

EXPOSED: Final = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Repr-Digest, "
    f"Retry-After, X-Request-Id, {VERSION_HEADER}"
)
"""The headers of answers that pages may look at."""
_SENT: Final = "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range, X-Request-Id"
_A_DAY: Final = "86400"
_QUESTIONS: Final = ("/query", "/sql")
"""How the paths end at which a POST only reads."""


async def share(message: Message, scope: Scope) -> None:
    """Let pages of the known origins read an answer, and ask before they send a token.

    Pages read: a browser lets them send nothing that changes. There is no wildcard, and no cookie
    that a browser would send by itself.
    """
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    services: Services | None = scope["litestar_app"].state.get("services")
    origins = services.files.settings.origins if services else ()
    if not origins:
        return
    headers = MutableScopeHeaders(message)
    if "Origin" not in headers.get("Vary", ""):
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Origin")))
    asked = Headers.from_scope(scope)
    origin = asked.get("Origin")
    if origin not in origins:
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = EXPOSED
    if scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in asked:
        posts = scope["path"].endswith(_QUESTIONS)
        headers["Access-Control-Allow-Methods"] = "POST" if posts else "GET, HEAD"
        headers["Access-Control-Allow-Headers"] = _SENT
        headers["Access-Control-Max-Age"] = _A_DAY
