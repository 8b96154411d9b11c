"""May the caller do that? Asked by what serves bytes in front of the server."""

from __future__ import annotations

import asyncio

from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Kind, Name, check_hash
from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.context import Context
from klarity_storage.server.files.objects import object_state
from klarity_storage.server.files.tree import check_version
from klarity_storage.server.rights.operations import ACTIONS
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require


async def check_right(context: Context, scope: str, operation: Operation) -> None:
    """Pass, or raise what the operation itself would.

    A thread is asked only where the database must be: the hop takes longer than the decision.

    Raises:
        NotFoundError: there is no such space or name, or the caller may not see it.
        ForbiddenError: no grant covers all of the scope.
    """
    action, target = ACTIONS[operation], Pattern.of_scope(scope)
    services = context.services
    if services.audit.at_once and services.rights.decides_at_hand(context.actor, target.space):
        require(context, action, target, about=operation)
    else:
        await asyncio.to_thread(require, context, action, target, about=operation)


async def check_version_right(
    context: Context, scope: str, operation: Operation, version: str
) -> None:
    """Pass, or raise what reading a file of that version would.

    Raises:
        VersionNotFoundError: there is no such name or version, or the caller may not see it.
        UnauthenticatedError: it is not public, and the request holds no token.
        InvalidInputError: the scope is no name with versions, or it is not about reading.
    """
    name = _name(scope)
    if operation is not Operation.READ or name is None or not name.kind.versioned:
        raise InvalidInputError(
            "A version is asked about with the operation read and its own name.",
            hint="Write ?scope=vision/datasets/cats&version=HASH.",
        )
    await asyncio.to_thread(check_version, context, name, check_hash(version))


async def check_file_right(context: Context, scope: str, operation: Operation, file: str) -> str:
    """The ETag of a data file of a table; or raise what reading it would.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        UnauthenticatedError: it is not public, and the request holds no token.
        FileMissingError: the table has no such file.
        InvalidInputError: the scope is no table, it is not about reading, or the file may change.
    """
    name = _name(scope)
    if operation is not Operation.READ or name is None or name.kind is not Kind.TABLES:
        raise InvalidInputError(
            "A file is asked about with the operation read and the name of its table.",
            hint="Write ?scope=vision/tables/runs&file=PATH.",
        )
    return await asyncio.to_thread(object_state, context, name, file)


def _name(scope: str) -> Name | None:
    target = Pattern.of_scope(scope)
    if target.kind is None or target.name is None:
        return None
    return Name(target.space, target.kind, target.name)
