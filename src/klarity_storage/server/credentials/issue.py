"""Give temporary credentials for what was asked, or say why there are none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from klarity_storage.errors import ConflictError, InvalidInputError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import CredentialsRequest, Operation, S3Credentials
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.credentials.scope import Scope
from klarity_storage.server.engines.base import Engine

HasVersion = Callable[[Name, str], bool]
"""Whether the folder of that version hash is closed: a commit points into it, or was purged."""

_SESSION_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9+=,.@-]")
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Reach:
    """The prefixes that credentials read, write and delete."""

    read: list[str]
    write: list[str]
    delete: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    """What they do not delete all the same."""


def issue(
    engine: Engine,
    history_has_version: HasVersion,
    request: CredentialsRequest,
    by: str,
    request_id: str,
) -> S3Credentials:
    """Temporary credentials for a request whose rights the caller has required already.

    The engine's log shows who asked, and in which request.

    Raises:
        InvalidInputError: writing is asked for where it is not given: a whole space or kind, a
            versioned name without its version, or overwriting what is not a table.
        ConflictError: the version is committed: its folder is never written again.
        UnavailableError: the engine does not answer.
    """
    reach = find_reach(history_has_version, request)
    policy = compile_policy(
        engine.credentials.bucket,
        read=reach.read,
        write=reach.write,
        delete=reach.delete,
        keep=reach.keep,
    )
    given = engine.assume(policy, session_name(by, request_id), request.duration)
    return msgspec.structs.replace(given, prefixes=reach.read)


def find_reach(history_has_version: HasVersion, request: CredentialsRequest) -> Reach:
    """What the request reaches, or why it reaches nothing."""
    scope = Scope.parse(request.scope)
    if request.operation is Operation.READ:
        return Reach(scope.prefixes, [])
    if scope.name is None:
        raise InvalidInputError(
            f"Credentials to write are given for one name, not for all of {scope}.",
            hint="Ask for space/kind/name.",
        )
    if scope.kind is Kind.TABLES:
        return _reach_of_table(request.operation, scope.name, scope.prefixes)
    return Reach(scope.prefixes, [_version_prefix(history_has_version, request, scope.name)])


def _reach_of_table(operation: Operation, name: Name, prefixes: list[str]) -> Reach:
    match operation:
        case Operation.DROP:
            return Reach(prefixes, [], delete=prefixes)
        case Operation.VACUUM:  # its log, and so who did what, stays
            own = [name.prefix]
            return Reach(own, own, delete=own, keep=[f"{name.prefix}_delta_log/"])
        case _:
            return Reach(prefixes, prefixes)


def session_name(by: str, request_id: str) -> str:
    """Who asked, as far as there is room, and the whole id of the request in which.

    >>> session_name("user:alice", "5c0f2d7a9b3e4f10")
    'user-alice-5c0f2d7a9b3e4f10'
    """
    who = _SESSION_CHARACTERS.sub("-", by)[: max(0, _LONGEST - 1 - len(request_id))]
    return f"{who}-{request_id}" if who else request_id[:_LONGEST]


def _version_prefix(
    history_has_version: HasVersion, request: CredentialsRequest, name: Name
) -> str:
    if request.operation is not Operation.WRITE:
        raise InvalidInputError(
            f"{name} is versioned: there is no {request.operation} of it.",
            hint="Push a new version, or delete one.",
        )
    if request.version is None:
        raise InvalidInputError(
            f"Credentials to write {name} need the hash of the version that is pushed.",
            hint="Set version to its SHA-256.",
        )
    prefix = name.version_prefix(request.version)
    if history_has_version(name, request.version):
        raise ConflictError(
            f"Version {request.version[:12]} of {name} is committed and cannot be written again.",
            hint="Push to get a new version, or pull this one.",
        )
    return prefix
