"""What the claims of a token mean here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from klarity_storage.errors import InvalidNameError
from klarity_storage.layout import check_name
from klarity_storage.server.oidc.verify import refusal

_MAX_GROUPS: Final = 1_000
_MAX_DISPLAY: Final = 200


def user_name(claims: Mapping[str, Any], claim: str) -> str:
    """The name that a new user gets.

    Raises:
        UnauthenticatedError: the token does not say, or says what cannot be a name.
    """
    found = _find(claims, claim)
    if not isinstance(found, str):
        raise refusal(f"the token names no user: it has no text in the claim {claim!r}")
    try:
        return check_name(found, "user")
    except InvalidNameError as error:
        raise refusal(
            f"{found[:128]!r}, which the issuer says in {claim!r}, cannot be the name of a user "
            "(1 to 128 of a-z, 0-9, '.', '_' and '-')"
        ) from error


def display_name(claims: Mapping[str, Any], fallback: str) -> str:
    """What a person is called, as far as it can be printed."""
    found = claims.get("name")
    if not isinstance(found, str) or not found.isprintable() or not found.strip():
        return fallback
    return found.strip()[:_MAX_DISPLAY]


def groups_said(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The groups as the issuer calls them."""
    found = _find(claims, claim)
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [group for group in listed if isinstance(group, str)][:_MAX_GROUPS]


def group_names(said: list[str], prefix: str) -> tuple[str, ...]:
    """The groups as they are called here; those that cannot be called so are left out.

    >>> group_names(["team", "Team", "/staff"], "corp.")
    ('corp.team',)
    """
    names = []
    for group in filter(None, said):
        try:
            names.append(check_name(prefix + group, "group"))
        except InvalidNameError:
            continue  # nobody can have been granted anything as such a group
    return tuple(dict.fromkeys(names))


def _find(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its whole name, or by the way through nested ones: ``realm_access.roles``."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
