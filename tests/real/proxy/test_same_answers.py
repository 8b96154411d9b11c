"""Through nginx, cold and cached, everything is answered as the server itself answers it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from nginx_fixture import Site
from proxy_versions import FILES, Pushed
from wire import Heard, Wire

pytestmark = pytest.mark.real

OWN = {"date", "server", "connection", "keep-alive", "cache-status", "transfer-encoding"}
"""Headers that belong to a connection, or that only nginx has."""

ETAG = '"{sha}"'


def told(heard: Heard) -> tuple[int, dict[str, str], bytes]:
    """An answer without what is another each time."""
    headers = {k: v for k, v in heard.headers.items() if k not in OWN}
    number = headers.pop("x-request-id")
    body = heard.body.replace(number.encode(), b"ID")
    boundary = re.search("boundary=(.+)", headers.get("content-type", ""))
    if boundary:
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
        headers["content-type"] = headers["content-type"].replace(boundary[1], "BOUNDARY")
    return heard.status, headers, body


def both(
    site: Site, path: str, method: str = "GET", token: str | None = None, **more: Any
) -> Heard:
    """What nginx answers, which is what the server does."""
    ours = site.wire(token)
    own = Wire(site.direct, ours.token)(path, method, **more)
    for _ in range(2):
        heard = ours(path, method, **more)
        assert told(heard) == told(own)
    return heard


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_files(site: Site, cats: Pushed, path: str, method: str) -> None:
    heard = both(site, f"{cats.root}/{quote(path)}", method)
    assert heard.status == 200
    assert heard.body == (FILES[path] if method == "GET" else b"")
    assert heard["content-length"] == str(len(FILES[path]))
    assert heard["cache-control"] == "private, max-age=31536000, immutable"
    assert heard["vary"] == "Authorization, Origin"
    if path != "empty":
        assert heard["cache-status"] == "klarity; hit"
