"""Tokens that were verified: their signature is checked once, not at each request."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final

from klarity_storage.server.oidc.verify import Verified

AT_MOST: Final = 4096
"""Tokens that are remembered at once; the one that was used longest ago goes first."""


class Remembered:
    """Verified tokens by their SHA-256: a token itself is kept nowhere.

    Used on one event loop, so it takes no lock.
    """

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_digest)

    def get(self, token: str) -> Verified | None:
        digest = _digest(token)
        if found := self._by_digest.get(digest):
            self._by_digest.move_to_end(digest)
        return found

    def put(self, token: str, verified: Verified) -> None:
        self._by_digest[_digest(token)] = verified
        if len(self._by_digest) > AT_MOST:
            self._by_digest.popitem(last=False)

    def forget(self, token: str) -> None:
        self._by_digest.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
