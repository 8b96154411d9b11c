"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Self

from klarity_storage.errors import InvalidInputError, InvalidNameError
from klarity_storage.layout import check_name
from klarity_storage.protocol.grants import Role
from klarity_storage.server.rights.patterns import Pattern

ANYONE: Final = "anyone"
"""The principal that every caller is."""

PUBLIC: Final = "public"
"""The principal that everybody is, without a token too. Nobody grants to it but the strategy of a
bucket: the grant stands beside the others, and says so of itself in every decision."""


class PrincipalKind(StrEnum):
    """What stands before the colon of a principal."""

    USER = "user"
    """A person."""
    SERVICE = "service"
    """A machine account."""
    GROUP = "group"
    """Users and services together."""


class Principal(NamedTuple):
    """Whom a grant can be for.

    >>> str(Principal.parse("group:annotators"))
    'group:annotators'
    >>> Principal.parse("anyone").kind is None
    True
    """

    kind: PrincipalKind | None
    """None for ``anyone``."""
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``user:alice``, ``service:trainer``, ``group:annotators`` or ``anyone``.

        Raises:
            InvalidNameError: it is none of these.
        """
        if text == ANYONE:
            return cls(None, ANYONE)
        kind, _, name = text.partition(":")
        if kind not in set(PrincipalKind):
            raise InvalidNameError(
                f"{text!r} is not a principal.",
                hint="Write user:<name>, group:<name>, service:<name>, or anyone.",
            )
        return cls(PrincipalKind(kind), check_name(name, kind))

    def __str__(self) -> str:
        return self.name if self.kind is None else f"{self.kind}:{self.name}"


class Ceiling(NamedTuple):
    """What a narrowed token may do at most: this role, on what the pattern reaches.

    >>> str(Ceiling.parse("reader:vision/datasets"))
    'reader:vision/datasets'
    """

    role: Role
    pattern: Pattern

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``role:space[/kind[/name-glob]]``.

        Raises:
            InvalidInputError: it has another form.
        """
        role, _, pattern = text.partition(":")
        if role not in set(Role):
            raise InvalidInputError(
                f"{text!r} is not a scope of a token.",
                hint=f"Write ROLE:PATTERN, for example reader:vision/datasets. "
                f"The roles are {', '.join(Role)}.",
            )
        return cls(Role(role), Pattern.parse(pattern))

    def __str__(self) -> str:
        return f"{self.role}:{self.pattern}"


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller."""

    user: str
    """The name of the account, a user's or a service's: no two have the same."""
    display_name: str
    administrator: bool
    token_id: str | None = None
    service: bool = False
    """Whether it is a machine account."""
    groups: tuple[str, ...] = ()
    """The groups that the account is in."""
    scopes: tuple[Ceiling, ...] = ()
    """What the token is narrowed to, in sum; with none it may whatever the account may."""
    principal: str = field(init=False)
    """``user:alice``, or ``service:trainer``."""
    principals: tuple[str, ...] = field(init=False)
    """Every principal whose grants are the caller's."""

    def __post_init__(self) -> None:
        own = principal_of(self.user, service=self.service)
        groups = (f"group:{group}" for group in self.groups)
        self._is(own, (own, *groups, ANYONE, PUBLIC))

    def _is(self, principal: str, principals: tuple[str, ...]) -> None:
        """Set what each decision reads several times."""
        object.__setattr__(self, "principal", principal)
        object.__setattr__(self, "principals", principals)


@dataclass(frozen=True, slots=True)
class Stranger(Actor):
    """A caller without a token, who may read what is public and know of nothing else."""

    user: str = ""
    display_name: str = ""
    administrator: bool = False

    def __post_init__(self) -> None:
        self._is(ANYONE, (PUBLIC,))  # the audit line says that it was anyone


def principal_of(name: str, *, service: bool = False) -> str:
    """The principal of an account.

    >>> principal_of("alice"), principal_of("trainer", service=True)
    ('user:alice', 'service:trainer')
    """
    return f"service:{name}" if service else f"user:{name}"
