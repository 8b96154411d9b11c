"""/v1/spaces/{space}/tables."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath, FromQuery

from klarity_storage.errors import SpaceNotFoundError, TableNotFoundError, VersionNotFoundError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.tables import TableFiles, TableInfo, TableList
from klarity_storage.server.catalog import tables
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get(
    "/spaces/{space:str}/tables",
    tags=["tables"],
    responses=failures(SpaceNotFoundError),
    sync_to_thread=True,
)
def list_tables(context: Caller, space: FromPath[str]) -> TableList:
    """List the tables of a space that the caller may read."""
    return tables.list_tables(context, space)


@get(
    "/spaces/{space:str}/tables/{table:str}",
    tags=["tables"],
    responses=failures(SpaceNotFoundError, TableNotFoundError, VersionNotFoundError),
    sync_to_thread=True,
)
def get_table(
    context: Caller,
    space: FromPath[str],
    table: FromPath[str],
    version: FromQuery[int | None] = None,
) -> TableInfo:
    """Describe a table as it is now, or as it was in a version."""
    return tables.get_table(context, Name(space, Kind.TABLES, table), version)


@get(
    "/spaces/{space:str}/tables/{table:str}/files",
    tags=["tables"],
    responses=failures(SpaceNotFoundError, TableNotFoundError, VersionNotFoundError),
    sync_to_thread=True,
)
def get_table_files(
    context: Caller,
    space: FromPath[str],
    table: FromPath[str],
    version: FromQuery[int | None] = None,
    limit: FromQuery[int] = tables.MOST_FILES,
    after: FromQuery[str | None] = None,
) -> TableFiles:
    """List the Parquet files of a version of a table, and what the log says of each.

    Page by page: `after` is `next` of the page before, and `version` the one that it names.
    """
    name = Name(space, Kind.TABLES, table)
    return tables.list_files(context, name, version, limit=limit, after=after)


ROUTES = [list_tables, get_table, get_table_files]
