"""/v1/spaces/{space}/tables/{table}/raw_binaries."""

from __future__ import annotations

from litestar import post
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    ForbiddenError,
    SpaceNotFoundError,
    TableNotFoundError,
    TooLargeError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.binaries import DeleteBinaries, DeletedBinaries
from klarity_storage.server.catalog import binaries
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


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


ROUTES = [delete_binaries]
