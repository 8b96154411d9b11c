"""/v1/spaces/{space}/{kind}/{name}: delete versions, collect garbage, lineage, places to push."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from klarity_storage.errors import (
    ConflictError,
    ForbiddenError,
    SpaceNotFoundError,
    TooLargeError,
    VersionNotFoundError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CollectGarbage, Garbage, Lineage, UploadPlace
from klarity_storage.server.catalog import garbage, lineage
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures
from klarity_storage.server.routes.versions import VersionedKind

_NAME = "/spaces/{space:str}/{kind:str}/{name:str}"
_VERSION = f"{_NAME}/versions/{{selector:str}}"


@delete(
    _VERSION,
    tags=["versions"],
    responses=failures(SpaceNotFoundError, VersionNotFoundError, ForbiddenError, ConflictError),
    sync_to_thread=True,
)
def delete_version(  # noqa: PLR0917 - Litestar passes them all by name
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    selector: FromPath[str],
    reason: FromQuery[str] = "",
    untag: FromQuery[bool] = False,
    unpin: FromQuery[bool] = False,
) -> None:
    """Take a version out of the lists; its bytes stay until they are collected."""
    wanted = Name(space, Kind(kind), name)
    garbage.delete_version(context, wanted, selector, reason=reason, untag=untag, unpin=unpin)


@get(
    f"{_VERSION}/lineage",
    tags=["versions"],
    responses=failures(SpaceNotFoundError, VersionNotFoundError),
    sync_to_thread=True,
)
def get_lineage(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    selector: FromPath[str],
) -> Lineage:
    """Get what a version was made from, and what was made from it."""
    return lineage.get_lineage(context, Name(space, Kind(kind), name), selector)


@post(
    f"{_NAME}/gc",
    status_code=200,
    tags=["versions"],
    responses=failures(
        SpaceNotFoundError, VersionNotFoundError, ForbiddenError, ConflictError, TooLargeError
    ),
    response_description="What is garbage, or what was deleted.",
    sync_to_thread=True,
)
def collect_garbage(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    data: JSONBody[CollectGarbage],
) -> Garbage:
    """List what no version refers to; delete it when it is no dry run."""
    return garbage.collect_garbage(context, Name(space, Kind(kind), name), data)


@get(
    f"{_NAME}/uploads/{{version:str}}",
    tags=["versions"],
    responses=failures(SpaceNotFoundError, VersionNotFoundError, ForbiddenError),
    sync_to_thread=True,
)
def find_place(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    version: FromPath[str],
) -> UploadPlace:
    """Find where the content of a version is uploaded to, or its manifest if it is there."""
    return garbage.find_place(context, Name(space, Kind(kind), name), version)


ROUTES = [delete_version, get_lineage, collect_garbage, find_place]
