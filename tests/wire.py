"""HTTP as it is written: nothing is tidied, decoded or followed on the way."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Heard:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    """By lower-case names; one that was said twice has both values."""
    body: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers[header.lower()]


@dataclass(frozen=True)
class Wire:
    """A caller of a server, by a token or without."""

    address: str
    token: str | None = None

    def __call__(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: Any
    ) -> Heard:
        """Ask, with headers such as ``if_range="…"``."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        sent = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            told: dict[str, str] = {}
            for name, value in answer.getheaders():
                before = told.get(name.lower())
                told[name.lower()] = value if before is None else f"{before}, {value}"
            return Heard(answer.status, told, answer.read())
        finally:
            connection.close()
