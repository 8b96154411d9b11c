"""Tokens: create, list, revoke, and find out whose one is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import convert
from sqlalchemy import insert, select, update

from klarity_storage.errors import InvalidInputError, UnauthenticatedError, UnavailableError
from klarity_storage.layout import check_name
from klarity_storage.protocol.tokens import CreateToken, NewToken, Token, TokenList
from klarity_storage.server.audit.refused import RefusedTokenError
from klarity_storage.server.catalog.secret import hash_of, is_secret, new_id, new_secret
from klarity_storage.server.catalog.service_accounts import find_service
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.oidc.remember import PREFIX as JWT
from klarity_storage.server.rights.actor import Actor, Ceiling
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.read import KnownToken
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, TokenRecord
from klarity_storage.server.services import Services

_LOG = logging.getLogger(__name__)
_TOKENS = schema.tokens.c
_USERS = schema.users.c
_UNKNOWN: Final = "The server does not know the caller: {}."
_LOG_IN: Final = "Log in again: ks login."
_USED_EVERY: Final = timedelta(minutes=1)
"""How exact ``last_used_at`` is: a write for every request would be the dearest part of it."""


def create_token(context: Context, wanted: CreateToken) -> NewToken:
    """Make a token for the caller, or for an account that the caller administers.

    Raises:
        PrincipalNotFoundError: there is no such account, or the caller may not see it.
        SpaceNotFoundError: it is narrowed to a space that is not there, or that is not the
            caller's to see.
        ForbiddenError: it is another's, and the caller does not administer it; or the caller's own
            token is narrowed, which makes no others.
        InvalidInputError: the account is disabled.
    """
    check_text(wanted.label, "label")
    scopes = [Ceiling.parse(scope) for scope in wanted.scopes]
    account = _account(context, wanted.user, wanted.service)
    told = ", ".join(map(str, scopes))
    require(context, Action.OWN, account, about=f"narrowed to {told}" if told else "")
    for space in {scope.pattern.space for scope in scopes}:
        require(context, Action.LIST, Pattern(space))  # a typing error would open nothing, unseen
    secret = new_secret()
    row = new_token(
        account.user,
        secret,
        label=wanted.label,
        expires_in=wanted.expires_in,
        scopes=[str(scope) for scope in scopes],
    )
    with context.services.rights.change() as connection:
        query = select(_USERS.disabled_at).where(_USERS.name == account.user)
        if connection.execute(query).scalar_one() is not None:
            raise InvalidInputError(f"{account} is disabled.", hint="A token would open nothing.")
        connection.execute(insert(schema.tokens).values(row))
    token = convert(row | {"service": account.service}, Token)
    return NewToken(token=token, secret=secret)


def list_tokens(context: Context, user: str | None = None, service: str | None = None) -> TokenList:
    """The tokens that the caller may see, oldest first; of one account where it is named.

    Raises:
        PrincipalNotFoundError: there is no such account, or the caller may not see it.
        ForbiddenError: it is another's, and the caller does not administer it.
    """
    query = (
        select(schema.tokens, _USERS.service, _USERS.space)
        .join_from(schema.tokens, schema.users)
        .order_by(_TOKENS.created_at, _TOKENS.id)
    )
    if user is not None or service is not None:
        account = require(context, Action.OWN, _account(context, user, service))
        query = query.where(_TOKENS.user == account.user)
    else:
        require(context, Action.LIST, Account(context.actor.user, context.actor.service))
    may = permitted(context, Action.READ)
    with context.services.database.read() as connection:
        rows = connection.execute(query).mappings()
        return TokenList(
            items=[
                convert(row, Token)
                for row in rows
                if may(TokenRecord(row["id"], row["user"], row["space"]))
            ]
        )


def revoke_token(context: Context, token_id: str) -> None:
    """Refuse a token from now on; once is as good as twice.

    Raises:
        PrincipalNotFoundError: there is no such token, or the caller may not see it.
    """
    check_name(token_id, "token id")
    query = (
        select(_USERS.name, _USERS.service, _USERS.space)
        .join_from(schema.tokens, schema.users)
        .where(_TOKENS.id == token_id)
    )
    with context.services.database.read() as connection:
        row = connection.execute(query).one_or_none()
    owner = None if row is None else Account(*row)
    record = TokenRecord(token_id, *((owner.user, owner.space) if owner else (None,)))
    token = require(context, Action.OWN, record, about=f"of {owner}" if owner else "")
    end = update(schema.tokens).where(_TOKENS.id == token.id, _TOKENS.revoked_at.is_(None))
    with context.services.rights.change() as connection:
        connection.execute(end.values(revoked_at=datetime.now(UTC)))


def authenticate(services: Services, secret: str) -> Actor:
    """Whose token it is.

    The look-up is by the secret's hash. An index does not compare in constant time, and need not:
    what its timing could tell is the beginning of a hash, which nobody can steer without having
    inverted SHA-256.

    Raises:
        UnauthenticatedError: the token is unknown, expired or revoked, or its account is disabled.
        UnavailableError: the database does not answer.
    """
    now = datetime.now(UTC)
    token = services.rights.token(hash_of(secret)) if is_secret(secret) else None
    if token is None:
        raise UnauthenticatedError(_UNKNOWN.format("the token is unknown"), hint=_LOG_IN)
    if fault := _fault(token, now):
        raise RefusedTokenError(
            _UNKNOWN.format(fault),
            principal=token.actor.principal,
            token_id=token.id,
            hint=_LOG_IN,
        )
    if _use_is_due(token, now):
        _note_use(services.database, token, now)
    return token.actor


def authenticate_at_hand(services: Services, secret: str) -> Actor | None:
    """Whose token it is, where that takes no look at the database and no waiting."""
    now = datetime.now(UTC)
    token = services.rights.token_at_hand(hash_of(secret))
    if token is None or _fault(token, now) is not None or _use_is_due(token, now):
        return None
    return token.actor


def authenticate_again(services: Services, actor: Actor) -> Actor:
    """The caller as the account and its token stand now, in the midst of a long answer.

    A JWT that has ended was good when it was shown, and nothing else ends one; its groups are
    those that it says.

    Raises:
        UnauthenticatedError: the token has expired or was revoked, or its account is disabled.
        UnavailableError: the database does not answer.
    """
    if actor.token_id is None:
        return actor  # a stranger, who shows none
    if actor.token_id.startswith(JWT):
        account = services.rights.account(actor.user)
        gone = account is None or account.disabled_at is not None
        fault, now = ("the user is disabled" if gone else None), actor
    else:
        token = services.rights.token_named(actor.token_id)
        fault = "the token is unknown" if token is None else _fault(token, datetime.now(UTC))
        now = actor if token is None else token.actor
    if fault is None:
        return now
    raise RefusedTokenError(
        _UNKNOWN.format(fault),
        principal=actor.principal,
        token_id=actor.token_id,
        hint=_LOG_IN,
    )


def new_token(
    user: str,
    secret: str,
    *,
    label: str,
    expires_in: int | None = None,
    scopes: Sequence[str] = (),
) -> dict[str, Any]:
    """The row of a new token; ``expires_in`` is in seconds."""
    now = datetime.now(UTC)
    return {
        "id": new_id("token"),
        "user": user,
        "label": label,
        "hash": hash_of(secret),
        "created_at": now,
        "expires_at": None if expires_in is None else now + timedelta(seconds=expires_in),
        "last_used_at": None,
        "revoked_at": None,
        "scopes": list(scopes),
    }


def _account(context: Context, user: str | None, service: str | None) -> Account:
    """The account that is named; the caller's own where none is."""
    if service is not None:
        if user is not None:
            raise InvalidInputError("A token is a user's or a service's.", hint="Name one of them.")
        return find_service(context.services.database, service)
    if user is not None:
        return Account(check_name(user, "user"))
    return Account(context.actor.user, context.actor.service)


def _fault(token: KnownToken, now: datetime) -> str | None:
    if token.revoked_at is not None:
        return "the token is revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "the token has expired"
    what = "service" if token.actor.service else "user"
    return f"the {what} is disabled" if token.disabled_at is not None else None


def _use_is_due(token: KnownToken, now: datetime) -> bool:
    return token.last_used_at is None or token.last_used_at <= now - _USED_EVERY


def _note_use(database: Database, token: KnownToken, now: datetime) -> None:
    token.last_used_at = now
    query = update(schema.tokens).where(_TOKENS.id == token.id)
    try:
        with database.write() as connection:  # no rights change by it
            connection.execute(query.values(last_used_at=now))
    except UnavailableError as error:
        # a full disk must not lock out those who come to make room
        _LOG.warning("The use of token %s is not noted: %s", token.id, error)
