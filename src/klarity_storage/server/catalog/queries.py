"""Questions to tables, as far as the caller may read them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final

from klarity_storage.errors import QueryLimitError, UnauthenticatedError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.queries import SqlQuery, TableQuery
from klarity_storage.server.audit.refused import refused_caller
from klarity_storage.server.catalog.tables import refuse_expired
from klarity_storage.server.catalog.tokens import authenticate_again
from klarity_storage.server.context import Context
from klarity_storage.server.queries.frames import Job, Located, TableKey
from klarity_storage.server.queries.run import Answer
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
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
    return context.services.queries.run(
        context.actor.principal, job, lambda _: found, lambda: _ask_again(context, [name])
    )


def run_sql(context: Context, query: SqlQuery) -> AbstractAsyncContextManager[Answer]:
    """The answer to a question in SQL, over whatever tables the caller may read.

    Each table is decided about, and recorded, when the query names it.
    """
    require(context, Action.READ, Server(), about=f"query: {query.query[:_SHOWN]}")

    names: list[Name] = []

    def locate(table: TableKey) -> Located:
        name = Name(table.space, Kind.TABLES, table.name)
        require(context, Action.READ, Pattern.of(name), about="query")
        names.append(name)
        return _located(context, name)

    job = Job(rows=context.services.queries.settings.rows, sql=query.query)
    return context.services.queries.run(
        context.actor.principal, job, locate, lambda: _ask_again(context, names)
    )


def _ask_again(context: Context, tables: Iterable[Name]) -> None:
    """Whether the caller may still read what rows are being sent of; recorded when not.

    Raises:
        UnauthenticatedError: the token was revoked or has expired, or its account is disabled.
        TableNotFoundError: what was granted has ended.
        UnavailableError: nobody can tell.
    """
    try:
        actor = authenticate_again(context.services, context.actor)
    except UnauthenticatedError as error:
        told = refused_caller(error, context.operation, context.request_id, context.remote)
        context.services.audit.write(told)
        raise
    now = replace(context, actor=actor)
    may = permitted(now)
    for pattern in map(Pattern.of, tables):
        if not may(pattern):
            require(now, Action.READ, pattern, about="query, while its rows were sent")


def _located(context: Context, name: Name) -> Located:
    refuse_expired(context.services, name)
    keys = context.services.reading.to(name)
    return Located(f"s3://{keys.bucket}/{name}", keys)
