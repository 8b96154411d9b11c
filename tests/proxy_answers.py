"""Answers through nginx, held against those of the server itself."""

from __future__ import annotations

import re
from typing import Any

from nginx_fixture import Site
from wire import Heard, Wire

OWN = {"date", "server", "connection", "keep-alive", "cache-status", "transfer-encoding"}
"""Headers that belong to a connection, or that only nginx has."""


def told(heard: Heard) -> tuple[int, dict[str, str], bytes]:
    """An answer without what is another each time."""
    headers = {name: value for name, value in heard.headers.items() if name not in OWN}
    body = heard.body
    if heard.status == 206:  # of a part nginx does not say again that there are parts
        headers.pop("accept-ranges", None)
    boundary = re.search("boundary=(.+)", headers.get("content-type", ""))
    if boundary:
        body = body.replace(boundary[1].encode(), b"BOUNDARY")
        headers["content-type"] = headers["content-type"].replace(boundary[1], "BOUNDARY")
    return heard.status, headers, body


def both(
    site: Site, path: str, method: str = "GET", token: str | None = None, **more: Any
) -> Heard:
    """What nginx answers at the first and the second time, which is what the server does."""
    ours = site.wire(token)
    more = {"x_request_id": "one-and-the-same"} | more
    own = Wire(site.direct, ours.token)(path, method, **more)
    for _ in range(2):
        heard = ours(path, method, **more)
        assert told(heard) == told(own)
    return heard
