"""Questions to tables, as far as the caller may read them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from klarity_storage.errors import QueryLimitError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.queries import SqlQuery, TableQuery
from klarity_storage.server.catalog.tables import refuse_expired
from klarity_storage.server.context import Context
from klarity_storage.server.queries.frames import Job, Located, TableKey
from klarity_storage.server.queries.run import Answer
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.server.rights.targets import Server

_SHOWN: Final = 500
"""Characters of a query in its audit line."""


def query_table(
    context: Context, name: Name, query: TableQuery
) -> AbstractAsyncContextManager[Answer]:
    """Rows of one table.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        QueryLimitError: the limit is higher than the server's.
    """
    require(context, Action.READ, Pattern.of(name), about="query")
    most = context.services.queries.settings.rows
    if query.limit is not None and query.limit > most:
        raise QueryLimitError(
            f"A limit of {query.limit} rows is more than the server gives at once: {most}.",
            hint="Ask page by page, with offset.",
        )
    found = _located(context, name)  # required above, once for the whole query
    job = Job(rows=most, table=TableKey(name.space, name.name), page=query)
    return context.services.queries.run(context.actor.principal, job, lambda _: found)


def run_sql(context: Context, query: SqlQuery) -> AbstractAsyncContextManager[Answer]:
    """The answer to a question in SQL, over whatever tables the caller may read.

    Each table is decided about, and recorded, when the query names it.
    """
    require(context, Action.READ, Server(), about=f"query: {query.query[:_SHOWN]}")

    def locate(table: TableKey) -> Located:
        name = Name(table.space, Kind.TABLES, table.name)
        require(context, Action.READ, Pattern.of(name), about="query")
        return _located(context, name)

    job = Job(rows=context.services.queries.settings.rows, sql=query.query)
    return context.services.queries.run(context.actor.principal, job, locate)


def _located(context: Context, name: Name) -> Located:
    refuse_expired(context.services, name)
    keys = context.services.reading.to(name)
    return Located(f"s3://{keys.bucket}/{name}", keys)
