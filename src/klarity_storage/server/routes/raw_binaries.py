"""/v1/spaces/{space}/tables/{table}/raw_binaries."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from klarity_storage.errors import (
    FileMissingError,
    ForbiddenError,
    SpaceNotFoundError,
    TableNotFoundError,
    TooLargeError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.binaries import (
    MAX_BINARIES,
    DeleteBinaries,
    DeletedBinaries,
    RawFileList,
    RawRowList,
)
from klarity_storage.server.catalog import binaries
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get(
    "/spaces/{space:str}/tables/{table:str}/raw_binaries",
    tags=["tables"],
    responses=failures(SpaceNotFoundError, TableNotFoundError),
    sync_to_thread=True,
)
def list_binary_rows(
    context: Caller,
    space: FromPath[str],
    table: FromPath[str],
    limit: FromQuery[int] = MAX_BINARIES,
    after: FromQuery[str | None] = None,
) -> RawRowList:
    """List the rows of a table that have binaries, in the order of storage.

    Page by page: `after` is `next` of the page before.
    """
    name = Name(space, Kind.TABLES, table)
    return binaries.list_binary_rows(context, name, limit=limit, after=after)


@get(
    "/spaces/{space:str}/tables/{table:str}/raw_binaries/files",
    tags=["tables"],
    responses=failures(SpaceNotFoundError, TableNotFoundError, FileMissingError),
    sync_to_thread=True,
)
def list_binaries(
    context: Caller,
    space: FromPath[str],
    table: FromPath[str],
    row: FromQuery[str],
    limit: FromQuery[int] = MAX_BINARIES,
    after: FromQuery[str | None] = None,
) -> RawFileList:
    """List the binaries of a row, in the order of storage.

    Page by page: `after` is `next` of the page before.
    `row` is the row's index, an integer in decimal: a text may hold what an address cannot.
    """
    name = Name(space, Kind.TABLES, table)
    return binaries.list_binaries(context, name, row, limit=limit, after=after)


@post(
    "/spaces/{space:str}/tables/{table:str}/raw_binaries/delete",
    tags=["tables"],
    status_code=200,
    responses=failures(SpaceNotFoundError, TableNotFoundError, ForbiddenError, TooLargeError),
    response_description="How many files were deleted.",
    sync_to_thread=True,
)
def delete_binaries(
    context: Caller, space: FromPath[str], table: FromPath[str], data: JSONBody[DeleteBinaries]
) -> DeletedBinaries:
    """Delete binaries of a table's rows; takes an owner."""
    return binaries.delete_binaries(context, Name(space, Kind.TABLES, table), data)


ROUTES = [list_binary_rows, list_binaries, delete_binaries]
