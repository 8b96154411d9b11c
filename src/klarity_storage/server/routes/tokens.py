"""/v1/tokens."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from klarity_storage.errors import (
    ForbiddenError,
    PrincipalNotFoundError,
    SpaceNotFoundError,
    TooLargeError,
)
from klarity_storage.protocol.tokens import CreateToken, NewToken, TokenList
from klarity_storage.server.catalog import tokens
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get(
    "/tokens",
    tags=["tokens"],
    responses=failures(ForbiddenError, PrincipalNotFoundError),
    sync_to_thread=True,
)
def list_tokens(
    context: Caller, user: FromQuery[str | None] = None, service: FromQuery[str | None] = None
) -> TokenList:
    """List the tokens that the caller may see, without their secrets."""
    return tokens.list_tokens(context, user, service)


@post(
    "/tokens",
    tags=["tokens"],
    responses=failures(ForbiddenError, PrincipalNotFoundError, SpaceNotFoundError, TooLargeError),
    response_description="The new token, with its secret.",
    sync_to_thread=True,
)
def create_token(context: Caller, data: JSONBody[CreateToken]) -> NewToken:
    """Make a token, narrowed where asked; its secret is in this answer and nowhere else."""
    return tokens.create_token(context, data)


@delete(
    "/tokens/{token_id:str}",
    tags=["tokens"],
    responses=failures(PrincipalNotFoundError),
    sync_to_thread=True,
)
def revoke_token(context: Caller, token_id: FromPath[str]) -> None:
    """Refuse a token from now on."""
    tokens.revoke_token(context, token_id)


ROUTES = [list_tokens, create_token, revoke_token]
