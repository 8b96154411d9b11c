"""Who the caller is, by a token that an issuer has signed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from klarity_storage.server.oidc.accounts import Seen, find_or_make
from klarity_storage.server.oidc.claims import group_names, groups_said
from klarity_storage.server.oidc.issuers import Issuer
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.services import Services

_DIGITS: Final = 16
"""Of a token's SHA-256: enough to find its requests in the audit log, and never the token."""


async def authenticate(services: Services, token: str, request_id: str, remote: str) -> Actor:
    """Whom a JWT is of.

    Raises:
        UnauthenticatedError: it is not good, its user is disabled or cannot be made.
        UnavailableError: the issuer's keys, the database or the audit log cannot be had.
    """
    issuer, verified = await services.issuers.verify(token)
    digest = hashlib.sha256(token.encode()).hexdigest()
    seen = Seen(verified, f"jwt_{digest[:_DIGITS]}", request_id, remote)
    return await asyncio.to_thread(_actor, services, issuer, seen)


def _actor(services: Services, issuer: Issuer, seen: Seen) -> Actor:
    settings, claims = issuer.settings, seen.verified.claims
    row = find_or_make(services, seen, settings.user_claim)
    account = services.rights.account(row["name"])
    said = groups_said(claims, settings.groups_claim)
    leads = settings.administrators is not None and settings.administrators in said
    return Actor(
        row["name"],
        row["display_name"],
        row["administrator"] or leads,
        token_id=seen.token_id,
        groups=(
            *(account.groups if account else ()),
            *group_names(said, settings.group_prefix_of(issuer.name)),
        ),
    )
