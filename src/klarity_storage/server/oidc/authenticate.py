"""Who the caller is, by a token that an issuer has signed."""

from __future__ import annotations

import asyncio

from klarity_storage.server.audit.refused import RefusedTokenError
from klarity_storage.server.oidc.accounts import find_or_make
from klarity_storage.server.oidc.claims import group_names, groups_said
from klarity_storage.server.oidc.issuers import Issuer
from klarity_storage.server.oidc.remember import Known
from klarity_storage.server.oidc.verify import refusal
from klarity_storage.server.rights.actor import Actor, principal_of
from klarity_storage.server.rights.read import KnownAccount
from klarity_storage.server.services import Services


async def authenticate(services: Services, token: str, request_id: str, remote: str) -> Actor:
    """Whom a JWT is of.

    Raises:
        UnauthenticatedError: it is not good, its user is disabled or cannot be made.
        UnavailableError: the issuer's keys, the database or the audit log cannot be had.
    """
    issuer, known = await services.issuers.verify(token)
    return await asyncio.to_thread(_look_up, services, issuer, known, request_id, remote)


def authenticate_at_hand(services: Services, token: str) -> Actor | None:
    """Whom a JWT is of, where that takes no look at anything and no waiting."""
    found = services.issuers.at_hand(token)
    if found is None or found[1].user is None:
        return None
    account = services.rights.account_at_hand(found[1].user)
    if account is None or account.disabled_at is not None:
        return None
    return _actor(*found, account)


def _look_up(
    services: Services, issuer: Issuer, known: Known, request_id: str, remote: str
) -> Actor:
    if known.user is None:
        known.user = find_or_make(services, known, issuer.settings.user_claim, request_id, remote)
    account = services.rights.account(known.user)
    if account is None or account.disabled_at is not None:
        error = refusal("the user is disabled")
        raise RefusedTokenError(
            error.message,
            principal=principal_of(known.user),
            token_id=known.token_id,
            hint=error.hint,
        )
    return _actor(issuer, known, account)


def _actor(issuer: Issuer, known: Known, account: KnownAccount) -> Actor:
    """The caller: made once for a token, and again when the account has changed."""
    if known.made is not None and known.made[0] is account:
        return known.made[1]
    settings = issuer.settings
    said = groups_said(known.verified.claims, settings.groups_claim)
    theirs = group_names(said, settings.group_prefix_of(issuer.name))
    leads = settings.administrators is not None and settings.administrators in said
    actor = Actor(
        account.name,
        account.display_name,
        account.administrator or leads,
        token_id=known.token_id,
        groups=tuple(dict.fromkeys((*account.groups, *theirs))),
    )
    known.made = (account, actor)
    return actor
