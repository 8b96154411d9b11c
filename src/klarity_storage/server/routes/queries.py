"""/v1/spaces/{space}/tables/{table}/query and /v1/sql: rows as Arrow."""

from __future__ import annotations

import asyncio

from litestar import post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from klarity_storage.errors import (
    BusyError,
    QueryLimitError,
    SpaceNotFoundError,
    TableNotFoundError,
    TooLargeError,
    VersionNotFoundError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.queries import ARROW_STREAM, SqlQuery, TableQuery
from klarity_storage.server.catalog import queries
from klarity_storage.server.http.arrow import ArrowResponse
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

_ROWS = {
    200: ResponseSpec(
        bytes,
        generate_examples=False,
        description="Rows in Arrow's IPC stream format, compressed with zstd.",
        media_type=ARROW_STREAM,
    )
}


@post(
    "/spaces/{space:str}/tables/{table:str}/query",
    tags=["tables"],
    status_code=200,
    media_type=ARROW_STREAM,
    responses=_ROWS
    | failures(
        SpaceNotFoundError,
        TableNotFoundError,
        VersionNotFoundError,
        QueryLimitError,
        BusyError,
        TooLargeError,
    ),
)
async def query_table(
    context: Caller, space: FromPath[str], table: FromPath[str], data: JSONBody[TableQuery]
) -> ArrowResponse:
    """Get rows of a table: which columns, which rows, in which order."""
    name = Name(space, Kind.TABLES, table)
    return ArrowResponse(await asyncio.to_thread(queries.query_table, context, name, data))


@post(
    "/sql",
    tags=["tables"],
    status_code=200,
    media_type=ARROW_STREAM,
    responses=_ROWS | failures(TableNotFoundError, QueryLimitError, BusyError, TooLargeError),
)
async def run_sql(context: Caller, data: JSONBody[SqlQuery]) -> ArrowResponse:
    """Ask tables a question in SQL that only reads."""
    return ArrowResponse(await asyncio.to_thread(queries.run_sql, context, data))


ROUTES = [query_table, run_sql]
"""Both answer a problem, unless rows were sent already."""
