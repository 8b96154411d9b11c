"""Whom the server takes the caller for, until when, and whether its parts work."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Final

from klarity_storage.client.doctor.check import Check, ended, failed, passed, skipped
from klarity_storage.client.http import Http, quoted
from klarity_storage.errors import StorageError
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.tokens import TokenList

TOKEN_LEFT: Final = timedelta(hours=1)
"""A token that ends sooner may end in the midst of what is begun now."""


def check_caller(http: Http, *, has_token: bool) -> Generator[Check, None, Identity | None]:
    """Try the token; returns who the caller is."""
    if not has_token:
        told = f"there is none for {http.base_url}"
        yield failed("token", told, f"ks login {http.base_url}, or set KS_TOKEN.")
        return None
    try:
        identity = http.get(quoted("whoami"), Identity)
        ends, named = _end_of(http, identity)
    except StorageError as error:
        yield ended("token", error)
        return None
    yield (
        _check_end(identity, ends)
        if named
        else passed(
            "token",
            f"{identity.principal}; it is none of this server's, which does not know its end",
        )
    )
    yield _check_grants(identity)
    return identity


def _end_of(http: Http, identity: Identity) -> tuple[datetime | None, bool]:
    """When the token ends, and whether the server lists it."""
    tokens = http.get(quoted("tokens"), TokenList).items
    mine = next((token for token in tokens if token.id == identity.token_id), None)
    return (mine.expires_at, True) if mine else (None, False)


def _check_end(identity: Identity, ends: datetime | None) -> Check:
    if ends is None:
        return passed("token", f"{identity.principal}, without an end")
    left = ends - datetime.now(UTC)
    told = f"{identity.principal}, until {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if left < TOKEN_LEFT:
        return failed("token", told, "ks token create --expires-in 30d, then ks login.")
    return passed("token", told)


def _check_grants(identity: Identity) -> Check:
    if identity.administrator:
        return passed("grants", "an administrator, who owns everything")
    if not identity.grants:
        return skipped("grants", "nothing is granted to you yet")
    told = ", ".join(f"{grant.role} on {grant.pattern}" for grant in identity.grants[:3])
    more = len(identity.grants) - 3
    return passed("grants", f"{told}, and {more} more" if more > 0 else told)
