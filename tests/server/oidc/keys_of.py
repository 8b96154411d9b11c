"""A key as an issuer's document gives it to the server."""

from __future__ import annotations

from jwt import PyJWK

from klarity_storage.server.oidc.keys import Key
from oidc_fixture import SigningKey


def published(key: SigningKey) -> list[Key]:
    return [Key(key.kid, PyJWK(key.public_jwk, key.algorithm))]
