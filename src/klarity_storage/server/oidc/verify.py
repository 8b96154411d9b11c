"""Read a JWT, and find out whether its issuer has signed it, for this server, for now."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import jwt
import msgspec

from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.oidc.keys import Key
from klarity_storage.server.settings.sections import OidcSettings

T = TypeVar("T")

MAX_CHARACTERS: Final = 16 * 1024
"""The longest token that is read."""

LEEWAY: Final = 30
"""Seconds by which an issuer's clock may differ from ours."""

NO_SUCH_KEY: Final = "the token is signed with a key that its issuer does not have (now)"

_TYPES: Final = {None, "jwt", "at+jwt", "application/at+jwt"}
"""Other kinds of JWT (a logout token, a request) are signed with the same keys."""


class Header(msgspec.Struct, frozen=True):
    """What a token says of its signature. Where it says keys lie (`jku`, `x5u`) is not read."""

    alg: str
    typ: str | None = None
    kid: str | None = None
    crit: Any = None


class _Origin(msgspec.Struct, frozen=True):
    iss: str


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token claims of itself before anything of it is believed."""

    header: Header
    issuer: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What an issuer says of a caller."""

    issuer: str
    subject: str
    claims: dict[str, Any]
    expires: float
    """When the token ends, in seconds since 1970."""
    key_id: str


def is_jwt(secret: str) -> bool:
    """Whether a bearer token has the form of a JWT; one of this server's own has no dot."""
    return secret.count(".") == 2


def read_unverified(token: str) -> Unverified:
    """Read who claims to have made a token, and how.

    Raises:
        UnauthenticatedError: it cannot be read.
    """
    if len(token) > MAX_CHARACTERS:
        raise refusal(f"the token has more than {MAX_CHARACTERS:,} characters")
    first, second, _ = token.split(".")
    return Unverified(_decoded(first, Header), _decoded(second, _Origin).iss)


def check_header(header: Header, algorithms: Sequence[str]) -> None:
    """Refuse a token by the way in which it says that it is signed.

    Raises:
        UnauthenticatedError: by `none`, with a shared secret, or as a JWT of another kind.
    """
    if header.alg not in algorithms:
        raise refusal("the token is not signed in a way that its issuer may use")
    if (header.typ.lower() if header.typ else None) not in _TYPES:
        raise refusal("the token is a JWT of another type than an access token")
    if header.crit is not None:
        raise refusal("the token has a critical header that is not known here")


def verify(token: str, keys: Sequence[Key], settings: OidcSettings) -> Verified:
    """What a token says, once its signature and its claims hold.

    Args:
        token: which.
        keys: those that its header leaves; of several, any may have signed it.
        settings: of its issuer.

    Raises:
        UnauthenticatedError: it is not good.
    """
    failure = refusal(NO_SUCH_KEY)
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key.jwk,
                algorithms=list(settings.algorithms),
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.InvalidSignatureError:
            failure = refusal("the token's signature does not fit")
            continue
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise refusal(_reason(error)) from error
        return _accepted(claims, key)
    raise failure


def refusal(reason: str) -> UnauthenticatedError:
    """The one failure of every token that is not good."""
    return UnauthenticatedError(
        f"The server does not know the caller: {reason}.", hint="Log in again: ks login."
    )


def _accepted(claims: dict[str, Any], key: Key) -> Verified:
    if "cnf" in claims:
        raise refusal("the token is bound to a key (DPoP or mTLS), which it was sent without")
    if "events" in claims:
        raise refusal("the token tells of an event, and is not for access")
    if not 0 < len(claims["sub"]) <= 255:
        raise refusal("the token names no subject of 1 to 255 characters")
    return Verified(claims["iss"], claims["sub"], claims, float(claims["exp"]), key.id)


def _reason(error: Exception) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidAudienceError():
            return "the token is for another audience than this server"
        case jwt.MissingRequiredClaimError():
            return f"the token has no claim {error.claim!r}"
        case _:
            return "the token cannot be read"


def _decoded(part: str, shape: type[T]) -> T:
    try:
        content = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(content, type=shape)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise refusal("the token cannot be read") from error
