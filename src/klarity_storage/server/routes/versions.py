"""/v1/spaces/{space}/{kind}: names, their versions and tags."""

from __future__ import annotations

from typing import Literal

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from klarity_storage.errors import (
    ConflictError,
    ForbiddenError,
    QuotaError,
    SpaceNotFoundError,
    TooLargeError,
    VersionNotFoundError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import (
    CommitRequest,
    NameList,
    SetTag,
    TagInfo,
    TagList,
    VersionInfo,
    VersionList,
)
from klarity_storage.server.catalog import versions
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

VersionedKind = Literal["artefacts", "models", "datasets"]

_NAME = "/spaces/{space:str}/{kind:str}/{name:str}"
_READ = failures(SpaceNotFoundError, VersionNotFoundError)
_COMMIT = failures(
    SpaceNotFoundError,
    VersionNotFoundError,
    ForbiddenError,
    QuotaError,
    ConflictError,
    TooLargeError,
)
_WRITE = failures(
    SpaceNotFoundError, VersionNotFoundError, ForbiddenError, ConflictError, TooLargeError
)


@get(
    "/spaces/{space:str}/{kind:str}",
    tags=["versions"],
    responses=failures(SpaceNotFoundError),
    sync_to_thread=True,
)
def list_names(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    uncommitted: FromQuery[bool] = False,
) -> NameList:
    """List the names of a kind that the caller may read, or those without a commit too."""
    return versions.list_names(context, space, Kind(kind), uncommitted=uncommitted)


@get(f"{_NAME}/versions", tags=["versions"], responses=_READ, sync_to_thread=True)
def list_versions(
    context: Caller, space: FromPath[str], kind: FromPath[VersionedKind], name: FromPath[str]
) -> VersionList:
    """List the commits of a name, newest first."""
    return versions.list_versions(context, Name(space, Kind(kind), name))


@post(
    f"{_NAME}/versions",
    tags=["versions"],
    responses=_COMMIT,
    response_description="The new version, or the one that stood already.",
    sync_to_thread=True,
)
def commit_version(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    data: JSONBody[CommitRequest],
) -> VersionInfo:
    """Make uploaded files a version, when their manifest holds."""
    return versions.commit_version(context, Name(space, Kind(kind), name), data)


@get(f"{_NAME}/versions/{{selector:str}}", tags=["versions"], responses=_READ, sync_to_thread=True)
def get_version(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    selector: FromPath[str],
) -> VersionInfo:
    """Get the version that a tag, a hash, its beginning or `latest` stands for."""
    return versions.get_version(context, Name(space, Kind(kind), name), selector)


@get(f"{_NAME}/tags", tags=["versions"], responses=_READ, sync_to_thread=True)
def list_tags(
    context: Caller, space: FromPath[str], kind: FromPath[VersionedKind], name: FromPath[str]
) -> TagList:
    """List the tags of a name."""
    return versions.list_tags(context, Name(space, Kind(kind), name))


@put(f"{_NAME}/tags/{{tag:str}}", tags=["versions"], responses=_WRITE, sync_to_thread=True)
def set_tag(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    tag: FromPath[str],
    data: JSONBody[SetTag],
) -> TagInfo:
    """Let a tag stand for a version."""
    return versions.set_tag(context, Name(space, Kind(kind), name), tag, data)


@delete(f"{_NAME}/tags/{{tag:str}}", tags=["versions"], responses=_WRITE, sync_to_thread=True)
def remove_tag(
    context: Caller,
    space: FromPath[str],
    kind: FromPath[VersionedKind],
    name: FromPath[str],
    tag: FromPath[str],
) -> None:
    """Take a tag away."""
    versions.remove_tag(context, Name(space, Kind(kind), name), tag)


ROUTES = [
    list_names,
    list_versions,
    commit_version,
    get_version,
    list_tags,
    set_tag,
    remove_tag,
]
