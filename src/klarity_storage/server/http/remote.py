"""Where a request comes from: the connection's other end, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Receive, Scope, Send

from klarity_storage.server.settings.check import Network

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN: Final = "unknown"
_FOR: Final = "X-Forwarded-For"
_PROTO: Final = "X-Forwarded-Proto"


def caller_address(scope: Scope | Any) -> str:
    """The IP address of whoever sent a request; behind a trusted proxy, what the proxy says.

    >>> caller_address({"client": ("192.0.2.7", 40312)})
    '192.0.2.7'
    """
    client = scope.get("client")
    return str(client[0]) if client else UNKNOWN


class BehindProxies:
    """Put the caller's own address and scheme into each scope; what strangers claim is not read."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the headers where they come from a proxy that is trusted."""
        if self._trusted and self._is_proxy(_address(caller_address(scope))):
            headers = Headers.from_scope(scope)
            if found := self._caller(headers.getall(_FOR, [])):
                scope["client"] = (str(found), 0)
            proto = ",".join(headers.getall(_PROTO, [])).rpartition(",")[2].strip().lower()
            if proto in {"http", "https"}:
                scope["scheme"] = proto
        await self._app(scope, receive, send)

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _caller(self, headers: list[str]) -> Address | None:
        """The last address that is no proxy of ours: what stands before it anybody may claim."""
        found = None
        for text in reversed(",".join(headers).split(",")):
            address = _address(text)
            if address is None:
                break
            found = address
            if not self._is_proxy(address):
                break
        return found


def _address(text: str) -> Address | None:
    """An address as proxies write it: ``192.0.2.7``, ``192.0.2.7:4711``, ``[2001:db8::1]:4711``."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)  # how a socket for both shows IPv4
    return mapped or found
