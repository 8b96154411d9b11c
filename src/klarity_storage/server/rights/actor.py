"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from klarity_storage.errors import InvalidNameError
from klarity_storage.layout import check_name

ANYONE: Final = "anyone"
"""The principal that every caller is."""

_USER: Final = "user:"


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller."""

    user: str
    display_name: str
    administrator: bool
    token_id: str | None = None

    @property
    def principal(self) -> str:
        """``user:alice``."""
        return principal_of(self.user)

    @property
    def principals(self) -> tuple[str, ...]:
        """Every principal whose grants are the caller's."""
        return (self.principal, ANYONE)


def principal_of(user: str) -> str:
    """The principal of a user.

    >>> principal_of("alice")
    'user:alice'
    """
    return _USER + user


def user_of(principal: str) -> str | None:
    """The user of a principal, or None for ``anyone``.

    Raises:
        InvalidNameError: it is neither.
    """
    if principal == ANYONE:
        return None
    if not principal.startswith(_USER):
        raise InvalidNameError(
            f"{principal!r} is not a principal.", hint="Write user:<name>, or anyone."
        )
    return check_name(principal.removeprefix(_USER), "user")
