"""The issuers that this server trusts, and whether a token is one of theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from klarity_storage.protocol.oidc import LoginIssuer
from klarity_storage.server.oidc.keys import Keys
from klarity_storage.server.oidc.remember import Remembered
from klarity_storage.server.oidc.verify import (
    LEEWAY,
    Verified,
    check_header,
    read_unverified,
    refusal,
    verify,
)
from klarity_storage.server.settings.sections import OidcSettings


@dataclass(frozen=True, slots=True)
class Issuer:
    """One that is trusted."""

    name: str
    settings: OidcSettings
    keys: Keys


class Issuers:
    """All of them, with their keys and the tokens that were seen.

    Args:
        settings: of each, by name.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        settings: Mapping[str, OidcSettings],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remembered = Remembered()
        self._by_url = {
            one.issuer: Issuer(name, one, Keys(one.issuer, one.algorithms, clock))
            for name, one in settings.items()
        }

    def __bool__(self) -> bool:
        return bool(self._by_url)

    def for_login(self) -> list[LoginIssuer]:
        """Those at which `ks login` gets a token."""
        return [
            LoginIssuer(
                name=one.name,
                issuer=one.settings.issuer,
                client_id=one.settings.client_id,
                scopes=list(one.settings.scopes),
                resource=one.settings.resource,
            )
            for one in self._by_url.values()
            if one.settings.client_id is not None
        ]

    async def verify(self, token: str) -> tuple[Issuer, Verified]:
        """What an issuer says of whoever holds a token.

        Waiting for an issuer holds no thread: others are served meanwhile.

        Raises:
            UnauthenticatedError: it is not good.
            UnavailableError: the issuer's keys cannot be had.
        """
        known = self._remembered.get(token)
        verified = await (self._verify(token) if known is None else self._still(token, known))
        return self._by_url[verified.issuer], verified

    async def _verify(self, token: str) -> Verified:
        said = read_unverified(token)
        issuer = self._by_url.get(said.issuer)
        if issuer is None:
            raise refusal("the token is of an issuer that this server does not trust")
        check_header(said.header, issuer.settings.algorithms)
        keys = await issuer.keys.find(said.header.kid, said.header.alg)
        verified = await asyncio.to_thread(verify, token, keys, issuer.settings)
        self._remembered.put(token, verified)
        return verified

    async def _still(self, token: str, known: Verified) -> Verified:
        """Whether what was verified once still holds: its time, and the key it was signed with."""
        if known.expires <= time.time() - LEEWAY:
            self._remembered.forget(token)
            raise refusal("the token has expired")
        if not await self._by_url[known.issuer].keys.hold(known.key_id):
            self._remembered.forget(token)
            raise refusal("the token is signed with a key that its issuer does not have (now)")
        return known
