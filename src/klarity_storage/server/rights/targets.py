"""What a decision can be about, and what is said when it is not there."""

from __future__ import annotations

from dataclasses import dataclass

from klarity_storage.errors import (
    NotFoundError,
    PrincipalNotFoundError,
    SpaceNotFoundError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.grants import Grant
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.tables.failures import not_found as table_not_found
from klarity_storage.versions.history import name_not_found


@dataclass(frozen=True, slots=True)
class Server:
    """The server itself: owning it is administration."""

    def __str__(self) -> str:
        return "server"


@dataclass(frozen=True, slots=True)
class Account:
    """A user or a service; owning it is being it, or owning the space that the service is of."""

    user: str
    service: bool = False
    space: str | None = None
    """The space whose owners administer it; None for a user, and for a service of no space."""

    def __str__(self) -> str:
        return f"service:{self.user}" if self.service else f"user:{self.user}"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token of a user or a service; without one when there is no such token."""

    id: str
    user: str | None
    space: str | None = None
    """The space whose owners administer it: its service's."""

    def __str__(self) -> str:
        return f"token:{self.id}"


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group; owning it is administration."""

    name: str

    def __str__(self) -> str:
        return f"group:{self.name}"


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """A grant; without one when there is no such grant."""

    id: str
    grant: Grant | None

    def __str__(self) -> str:
        return f"grant:{self.id}"


Target = Server | Account | TokenRecord | GroupRecord | GrantRecord | Pattern


def scope_of(target: Target) -> str | None:
    """The part of a space that a target is, or that a grant is on: its owners may know of it."""
    match target:
        case Pattern():
            return str(target)
        case GrantRecord(grant=Grant() as grant):
            return grant.pattern
        case _:
            return None


def absent(target: Target) -> NotFoundError:  # noqa: PLR0911 - one a kind of target
    """What is said of a target that does not exist, and of one that the caller may not see."""
    match target:
        case Pattern(kind=Kind() as kind, name=str(name)) if not target.broad:
            what = Name(target.space, kind, name)
            return table_not_found(what) if kind is Kind.TABLES else name_not_found(what)
        case Pattern():
            return SpaceNotFoundError(
                f"There is no space {target.space!r}.", hint="ks space ls lists what there is."
            )
        case Account(service=True):
            return PrincipalNotFoundError(
                f"There is no service {target.user!r}.", hint="ks service ls lists what there is."
            )
        case GroupRecord():
            return PrincipalNotFoundError(
                f"There is no group {target.name!r}.", hint="ks group ls lists what there is."
            )
        case Account():
            return PrincipalNotFoundError(
                f"There is no user {target.user!r}.", hint="ks user ls lists what there is."
            )
        case TokenRecord():
            return PrincipalNotFoundError(
                f"There is no token {target.id!r}.", hint="ks token ls lists what there is."
            )
        case GrantRecord():
            return PrincipalNotFoundError(
                f"There is no grant {target.id!r}.", hint="ks grant ls lists what there is."
            )
        case Server():
            return NotFoundError("There is no such thing on this server.")
