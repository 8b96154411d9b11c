"""Tokens that were verified: their signature is checked once, not at each request."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from klarity_storage.server.oidc.verify import Verified
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.read import KnownAccount

AT_MOST: Final = 4096
"""Tokens that are remembered at once; the one that was used longest ago goes first."""

PREFIX: Final = "jwt_"
"""How the id of a token that an issuer has signed begins."""

_DIGITS: Final = 16


@dataclass(slots=True)
class Known:
    """A token that is good, and whom it was found to be of."""

    verified: Verified
    token_id: str
    """The beginning of its SHA-256: finds its requests in the audit log, and is never the token."""
    user: str | None = None
    """The subject's user here, which never becomes another one's."""
    made: tuple[KnownAccount, Actor] | None = field(default=None, repr=False)
    """The caller, and the account as it stood when that was made."""


class Remembered:
    """Verified tokens by their SHA-256: a token itself is kept nowhere.

    Used on one event loop, so it takes no lock.
    """

    def __init__(self) -> None:
        self._by_digest: OrderedDict[bytes, Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_digest)

    def get(self, token: str) -> Known | None:
        digest = _digest(token)
        if found := self._by_digest.get(digest):
            self._by_digest.move_to_end(digest)
        return found

    def put(self, token: str, verified: Verified) -> Known:
        digest = _digest(token)
        known = Known(verified, f"{PREFIX}{digest.hex()[:_DIGITS]}")
        self._by_digest[digest] = known
        if len(self._by_digest) > AT_MOST:
            self._by_digest.popitem(last=False)
        return known

    def forget(self, token: str) -> None:
        self._by_digest.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
