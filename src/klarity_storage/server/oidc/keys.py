"""The public keys of an issuer: fetched, kept, and fetched anew as they change."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from klarity_storage.errors import UnavailableError
from klarity_storage.protocol.oidc import Discovery, discovery_url
from klarity_storage.server.oidc.fetch import fetch

_LOG = logging.getLogger(__name__)

FRESH: Final = 300.0
"""Seconds after which keys are fetched anew: how long one that left the set is good at most."""

STALE: Final = 3600.0
"""Seconds after which keys that could not be fetched anew are good for nothing."""

PAUSE: Final = 30.0
"""Seconds between two fetches at least, whatever tokens ask for."""

_WAIT: Final = 1.0
"""Seconds that a caller waits for new keys where there are known ones."""

_MAX_KEYS: Final = 64
_RSA_BITS: Final = range(2048, 16_385)
_KINDS: Final = {
    ("RSA", None): {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    ("EC", "P-256"): {"ES256"},
    ("EC", "P-384"): {"ES384"},
    ("EC", "P-521"): {"ES512"},
    ("OKP", "Ed25519"): {"EdDSA"},
}
"""What a key can be used with, by its type and curve."""


class _Published(msgspec.Struct, frozen=True):
    keys: list[Any]


class _Jwk(msgspec.Struct, frozen=True):
    """What decides what a published key can be used with."""

    kty: str
    kid: str | None = None
    crv: str | None = None
    alg: str | None = None
    use: str = "sig"
    key_ops: list[str] | None = None
    d: Any = None


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, for one algorithm."""

    id: str
    """The hash of what was published: another key under the same name has another."""
    jwk: PyJWK = field(repr=False)


class Keys:
    """The keys of one issuer.

    Args:
        issuer: its URL.
        algorithms: what its tokens may be signed with.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        issuer: str,
        algorithms: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._algorithms = frozenset(algorithms)
        self._clock = clock
        self._known: dict[tuple[str | None, str], list[Key]] = {}
        self._ids: frozenset[str] = frozenset()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fault: UnavailableError | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that a token may be signed with: those of its key id, or the only one.

        Raises:
            UnavailableError: the issuer does not answer, and no key of it is known.
        """
        await self._freshen()
        found = self._matching(kid, algorithm)
        if not found and self._may_fetch():
            await self._fetch_once(fetch_timeout=None)
            found = self._matching(kid, algorithm)
        return found

    async def hold(self, key_id: str) -> bool:
        """Whether a key is still in the set.

        Raises:
            UnavailableError: the issuer has not answered for so long that nobody knows.
        """
        await self._freshen()
        return key_id in self._ids

    def hold_at_hand(self, key_id: str) -> bool:
        """Whether a key is in the set, where the issuer need not be asked."""
        return self._age() <= FRESH and key_id in self._ids

    def _matching(self, kid: str | None, algorithm: str) -> list[Key]:
        if kid is not None:
            return self._known.get((kid, algorithm), [])
        found = [
            key for (_, name), keys in self._known.items() if name == algorithm for key in keys
        ]
        return found if len(found) == 1 else []

    async def _freshen(self) -> None:
        """See to it that the keys are as young as they must be."""
        if self._age() > FRESH and self._may_fetch():
            await self._fetch_once(fetch_timeout=_WAIT if self._age() <= STALE else None)
        if self._age() > STALE:
            raise self._fault or UnavailableError(f"The keys of {self._issuer} are not known.")

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock() - self._fetched

    def _may_fetch(self) -> bool:
        if self._fetching is not None and not self._fetching.done():
            return True  # to wait for it costs the issuer nothing
        return self._tried is None or self._clock() - self._tried >= PAUSE

    async def _fetch_once(self, fetch_timeout: float | None) -> None:
        """Fetch, or wait for the fetch that is under way."""
        if self._fetching is None or self._fetching.done():
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.wait({self._fetching}, timeout=fetch_timeout)

    async def _fetch(self) -> None:
        try:
            document = await fetch(discovery_url(self._issuer), Discovery, issuer=self._issuer)
            if document.issuer != self._issuer or document.jwks_uri is None:
                raise UnavailableError(
                    f"The document of the issuer {self._issuer} is another's, or names no keys."
                )
            published = await fetch(document.jwks_uri, _Published, issuer=self._issuer)
        except UnavailableError as error:
            _LOG.warning("%s", error)
            self._fault = error
            return
        self._known = self._usable(published.keys[:_MAX_KEYS])
        self._ids = frozenset(key.id for keys in self._known.values() for key in keys)
        self._fetched, self._fault = self._clock(), None

    def _usable(self, published: list[Any]) -> dict[tuple[str | None, str], list[Key]]:
        known: dict[tuple[str | None, str], list[Key]] = {}
        for content in published:
            try:
                jwk = msgspec.convert(content, _Jwk)
            except msgspec.ValidationError:
                continue  # a key of a kind that was invented later does not spoil the others
            for algorithm in self._fitting(jwk):
                if key := _read(content, algorithm):
                    known.setdefault((jwk.kid, algorithm), []).append(key)
        return known

    def _fitting(self, jwk: _Jwk) -> frozenset[str]:
        """The algorithms that a published key may be used with here."""
        if jwk.use != "sig" or (jwk.key_ops is not None and "verify" not in jwk.key_ops):
            return frozenset()
        if jwk.d is not None:
            _LOG.warning("The issuer %s publishes a private key, which is not used", self._issuer)
            return frozenset()
        curve = None if jwk.kty == "RSA" else jwk.crv
        fitting = self._algorithms & _KINDS.get((jwk.kty, curve), set())
        return frozenset(name for name in fitting if jwk.alg in {None, name})


def _read(jwk: dict[str, Any], algorithm: str) -> Key | None:
    try:
        read = PyJWK(jwk, algorithm)
    except (PyJWTError, ValueError, TypeError) as error:
        _LOG.warning("A published key cannot be read: %s", type(error).__name__)
        return None
    if isinstance(read.key, RSAPublicKey) and read.key.key_size not in _RSA_BITS:
        _LOG.warning("A published RSA key of %d bits is not used", read.key.key_size)
        return None
    content = msgspec.json.encode(jwk, order="deterministic")
    return Key(hashlib.sha256(content).hexdigest(), read)
