"""The id of a request: on its answer, in the log and in the audit line."""

from __future__ import annotations

import re
import secrets
from typing import Final

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import HTTPScope, Message, Scope

HEADER: Final = "X-Request-Id"
_SANE: Final = re.compile(r"(?!ks_)[A-Za-z0-9._-]{8,64}")
_STATE: Final = "ks_request_id"


def request_id(scope: Scope | HTTPScope) -> str:
    """The id of a request: the caller's own where it is sane and no token, else a random one."""
    state = scope["state"]
    if _STATE not in state:
        given = Headers.from_scope(scope).get(HEADER, "")
        state[_STATE] = given if _SANE.fullmatch(given) else secrets.token_hex(8)
    found: str = state[_STATE]
    return found


async def stamp(message: Message, scope: Scope) -> None:
    """Put onto every answer its request's id, and what browsers must not do with it."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders(message)
    headers[HEADER] = request_id(scope)
    headers["X-Content-Type-Options"] = "nosniff"
    # answers hold what one caller may see, and secrets at times: nobody keeps them
    headers.setdefault("Cache-Control", "no-store")
