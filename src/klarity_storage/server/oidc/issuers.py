"""The issuers that this server trusts, and whether a token is one of theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from klarity_storage.protocol.oidc import LoginIssuer
from klarity_storage.server.oidc.keys import Keys
from klarity_storage.server.oidc.remember import Known, Remembered
from klarity_storage.server.oidc.verify import (
    LEEWAY,
    NO_SUCH_KEY,
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

    def at_hand(self, token: str) -> tuple[Issuer, Known] | None:
        """What an issuer said of whoever holds a token, where nobody need be asked again."""
        known = self._remembered.get(token)
        if known is None or known.verified.expires <= time.time() - LEEWAY:
            return None
        issuer = self._by_url[known.verified.issuer]
        return (issuer, known) if issuer.keys.hold_at_hand(known.verified.key_id) else None

    async def verify(self, token: str) -> tuple[Issuer, Known]:
        """What an issuer says of whoever holds a token.

        Waiting for an issuer holds no thread: others are served meanwhile.

        Raises:
            UnauthenticatedError: it is not good.
            UnavailableError: the issuer's keys cannot be had.
        """
        known = self._remembered.get(token)
        if known is None:
            return await self._verify(token)
        issuer = self._by_url[known.verified.issuer]
        fault = None
        if known.verified.expires <= time.time() - LEEWAY:
            fault = "the token has expired"
        elif not await issuer.keys.hold(known.verified.key_id):
            fault = NO_SUCH_KEY
        if fault is not None:
            self._remembered.forget(token)
            raise refusal(fault)
        return issuer, known

    async def _verify(self, token: str) -> tuple[Issuer, Known]:
        said = read_unverified(token)
        issuer = self._by_url.get(said.issuer)
        if issuer is None:
            raise refusal("the token is of an issuer that this server does not trust")
        check_header(said.header, issuer.settings.algorithms)
        keys = await issuer.keys.find(said.header.kid, said.header.alg)
        verified = await asyncio.to_thread(verify, token, keys, issuer.settings)
        return issuer, self._remembered.put(token, verified)
