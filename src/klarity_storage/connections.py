"""Connections to servers, by the proxy that the environment names for them, if any."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3


class Connections:
    """Connections to one server that are kept and used again, from any thread.

    Args:
        url: the server's; a path in it stands before all paths.
        options: urllib3's, of each connection.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._url = url.rstrip("/")
        self._path = urlsplit(self._url).path
        self._manager = open_pool(url, **options)
        # to find the pool of a server by its address costs a tenth of what the request does
        direct = self._manager.proxy is None
        self._pool = self._manager.connection_from_url(url) if direct else None

    def send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """The whole answer, whatever its status. Nothing is sent twice or to where it points.

        Raises:
            urllib3.exceptions.HTTPError: there is none.
        """
        where, target = (
            (self._manager, self._url + path)
            if self._pool is None
            else (self._pool, self._path + path)
        )
        return where.urlopen(
            method, target, body=body, headers=headers, retries=False, redirect=False
        )

    def close(self) -> None:
        """Let the connections go; whoever sends something later gets new ones."""
        self._manager.clear()
        if self._pool is not None:
            self._pool = self._manager.connection_from_url(self._url)


def open_pool(url: str, **options: Any) -> urllib3.PoolManager:
    """Connections to any server, by the proxy for one of them.

    Args:
        url: of that one; it decides whether there is a proxy.
        options: urllib3's, of each connection.
    """
    proxy = _proxy_of(url)
    if proxy is None:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    if parts.username is None:
        return urllib3.ProxyManager(proxy, **options)
    known_as = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    # urllib3 connects to the address and leaves out who connects
    headers = urllib3.make_headers(proxy_basic_auth=known_as)
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)


def _proxy_of(url: str) -> str | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to import

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
