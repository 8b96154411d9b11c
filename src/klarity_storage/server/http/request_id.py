"""The id of a request: on its answer, in the log and in the audit line."""

from __future__ import annotations

import random
import re
from typing import Final

from litestar.types import HTTPScope, Message, Scope

HEADER: Final = "X-Request-Id"
_SANE: Final = re.compile(r"(?!ks_)[A-Za-z0-9._-]{8,64}")
_STATE: Final = "ks_request_id"
_RANDOM: Final = random.Random()  # noqa: S311 - nothing is kept by it: two must differ, that is all

# as ASGI has them: to read and write these takes a third of what Litestar's own views of headers
# do, and it is done for each request
_RAW: Final = HEADER.lower().encode()
_KEPT: Final = b"cache-control"
_OURS: Final = frozenset({_RAW, b"x-content-type-options"})


def header(scope: Scope | HTTPScope, name: bytes) -> str:
    """A header of a request, by its name in small letters; empty where there is none."""
    found = next((value for key, value in scope["headers"] if key == name), b"")
    return found.decode("latin-1")


def request_id(scope: Scope | HTTPScope) -> str:
    """The id of a request: the caller's own where it is sane and no token, else a random one."""
    state = scope["state"]
    if _STATE not in state:
        given = header(scope, _RAW)
        state[_STATE] = given if _SANE.fullmatch(given) else f"{_RANDOM.getrandbits(64):016x}"
    found: str = state[_STATE]
    return found


async def stamp(message: Message, scope: Scope) -> None:
    """Put onto every answer its request's id, and what browsers must not do with it."""
    if message["type"] != "http.response.start":
        return
    headers = message["headers"] = [
        *(header for header in message.get("headers", ()) if header[0].lower() not in _OURS),
        (_RAW, request_id(scope).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if not any(name.lower() == _KEPT for name, _ in headers):
        # answers hold what one caller may see, and secrets at times: nobody keeps them
        headers.append((_KEPT, b"no-store"))
