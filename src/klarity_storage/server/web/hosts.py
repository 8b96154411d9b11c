"""Host names that show a deployment: all of their addresses are the front end's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from klarity_storage.server.http.request_id import header

SHOWN: Final = "ks_web"
"""Where a request's state says which deployment its host shows."""


class ByHost:
    """Send the requests of known hosts to their deployments, whatever their paths are.

    So neither the API nor another front end can be reached there, and each is an origin of its own
    to browsers. What is routed by is written here, and what was asked for stays in ``raw_path``.
    """

    def __init__(self, app: ASGIApp, hosts: Mapping[str, str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the host; a port and a closing dot do not count."""
        if scope["type"] == ScopeType.HTTP:
            name = header(scope, b"host").lower().partition(":")[0].removesuffix(".")
            shown = self._hosts.get(name)
            if shown is not None:
                scope["state"][SHOWN] = shown
                scope["path"] = f"/web/{shown}/-"
        await self._app(scope, receive, send)
