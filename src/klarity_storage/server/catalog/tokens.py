"""Tokens: create, list, revoke, and find out whose one is."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import convert
from sqlalchemy import RowMapping, insert, select, update

from klarity_storage.errors import InvalidInputError, UnauthenticatedError, UnavailableError
from klarity_storage.layout import check_name
from klarity_storage.protocol.tokens import CreateToken, NewToken, Token, TokenList
from klarity_storage.server.audit.refused import RefusedTokenError
from klarity_storage.server.catalog.secret import hash_of, is_secret, new_id, new_secret
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights.actor import Actor, principal_of
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, TokenRecord

_LOG = logging.getLogger(__name__)
_TOKENS = schema.tokens.c
_USERS = schema.users.c
_UNKNOWN: Final = "The server does not know the caller: {}."
_LOG_IN: Final = "Log in again: ks login."
_USED_EVERY: Final = timedelta(minutes=1)
"""How exact ``last_used_at`` is: a write for every request would be the dearest part of it."""


def create_token(context: Context, wanted: CreateToken) -> NewToken:
    """Make a token for the caller, or for somebody else where the caller administers.

    Raises:
        PrincipalNotFoundError: there is no such user, or the caller may not see it.
        ForbiddenError: it is another's, and the caller is no administrator.
        InvalidInputError: the user is disabled.
    """
    check_text(wanted.label, "label")
    account = Account(
        context.actor.user if wanted.user is None else check_name(wanted.user, "user")
    )
    require(context, Action.OWN, account)
    secret = new_secret()
    row = new_token(account.user, secret, label=wanted.label, expires_in=wanted.expires_in)
    with context.services.database.write() as connection:
        query = select(_USERS.disabled_at).where(_USERS.name == account.user)
        if connection.execute(query).scalar_one() is not None:
            raise InvalidInputError(
                f"The user {account.user!r} is disabled.", hint="A token would open nothing."
            )
        connection.execute(insert(schema.tokens).values(row))
    return NewToken(token=convert(row, Token), secret=secret)


def list_tokens(context: Context, user: str | None = None) -> TokenList:
    """The tokens that the caller may see, oldest first; of one user where it is named.

    Raises:
        PrincipalNotFoundError: there is no such user, or the caller may not see it.
        ForbiddenError: it is another's, and the caller is no administrator.
    """
    query = select(schema.tokens).order_by(_TOKENS.created_at, _TOKENS.id)
    if user is not None:
        account = require(context, Action.OWN, Account(check_name(user, "user")))
        query = query.where(_TOKENS.user == account.user)
    else:
        require(context, Action.LIST, Account(context.actor.user))
    may = permitted(context, Action.READ)
    with context.services.database.read() as connection:
        rows = connection.execute(query).mappings()
        return TokenList(
            items=[convert(row, Token) for row in rows if may(TokenRecord(row["id"], row["user"]))]
        )


def revoke_token(context: Context, token_id: str) -> None:
    """Refuse a token from now on; once is as good as twice.

    Raises:
        PrincipalNotFoundError: there is no such token, or the caller may not see it.
    """
    check_name(token_id, "token id")
    with context.services.database.read() as connection:
        owner = connection.execute(select(_TOKENS.user).where(_TOKENS.id == token_id)).scalar()
    about = "" if owner is None else f"of user {owner}"
    token = require(context, Action.OWN, TokenRecord(token_id, owner), about=about)
    query = update(schema.tokens).where(_TOKENS.id == token.id, _TOKENS.revoked_at.is_(None))
    with context.services.database.write() as connection:
        connection.execute(query.values(revoked_at=datetime.now(UTC)))


def authenticate(database: Database, secret: str) -> Actor:
    """Whose token it is.

    The look-up is by the secret's hash. An index does not compare in constant time, and need not:
    what its timing could tell is the beginning of a hash, which nobody can steer without having
    inverted SHA-256.

    Raises:
        UnauthenticatedError: the token is unknown, expired or revoked, or its user is disabled.
        UnavailableError: the database does not answer.
    """
    now = datetime.now(UTC)
    row = _found(database, secret)
    if row is None:
        raise UnauthenticatedError(_UNKNOWN.format("the token is unknown"), hint=_LOG_IN)
    if fault := _fault(row, now):
        raise RefusedTokenError(
            _UNKNOWN.format(fault),
            principal=principal_of(row["name"]),
            token_id=row["id"],
            hint=_LOG_IN,
        )
    if row["last_used_at"] is None or row["last_used_at"] <= now - _USED_EVERY:
        _note_use(database, row["id"], now)
    return Actor(row["name"], row["display_name"], row["administrator"], row["id"])


def new_token(
    user: str, secret: str, *, label: str, expires_in: int | None = None
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
    }


def _found(database: Database, secret: str) -> RowMapping | None:
    if not is_secret(secret):
        return None
    query = (
        select(
            _TOKENS.id,
            _TOKENS.expires_at,
            _TOKENS.last_used_at,
            _TOKENS.revoked_at,
            _USERS.name,
            _USERS.display_name,
            _USERS.administrator,
            _USERS.disabled_at,
        )
        .join_from(schema.tokens, schema.users)
        .where(_TOKENS.hash == hash_of(secret))
    )
    with database.read() as connection:
        return connection.execute(query).mappings().one_or_none()


def _fault(row: RowMapping, now: datetime) -> str | None:
    if row["revoked_at"] is not None:
        return "the token is revoked"
    if row["expires_at"] is not None and row["expires_at"] <= now:
        return "the token has expired"
    return "the user is disabled" if row["disabled_at"] is not None else None


def _note_use(database: Database, token_id: str, now: datetime) -> None:
    try:
        with database.write() as connection:
            query = update(schema.tokens).where(_TOKENS.id == token_id)
            connection.execute(query.values(last_used_at=now))
    except UnavailableError as error:
        # a full disk must not lock out those who come to make room
        _LOG.warning("The use of token %s is not noted: %s", token_id, error)
