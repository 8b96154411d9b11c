"""Some rows of one table, in an order."""

from __future__ import annotations

import pyarrow as pa
from datafusion import DataFrame, SessionContext, col, functions, lit
from datafusion.expr import SortExpr

from klarity_storage.protocol.queries import Order, TableQuery
from klarity_storage.tables.filters import conditions, find_column, quoted
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.queries import told_as_query
from klarity_storage.tables.scan import narrowed, open_frame
from klarity_storage.tables.snapshot import open_snapshot
from klarity_storage.tables.views import without_views


def open_page(
    location: TableLocation, query: TableQuery, session: SessionContext
) -> tuple[DataFrame, int]:
    """The rows that a query asks for, lazily, and the version that they are of.

    Raises:
        TableNotFoundError: there is no such table, or the keys do not reach it.
        VersionNotFoundError: the table has no such version.
        InvalidQueryError: there is no such column, or a value is not of its type.
    """
    table = open_snapshot(location, query.version)
    schema = pa.schema(table.schema().to_arrow())
    filters = conditions(query.filter, schema) if query.filter is not None else []
    order = [_sorted_by(order, schema) for order in query.order_by]
    columns = [find_column(name, schema).name for name in query.columns or schema.names]
    needed = [*columns, *(order.column for order in query.order_by)]
    frame = open_frame(session, location, table, schema, filters, needed, in_order=not order)
    with told_as_query(f"the query of {location.name}", schema.names):
        frame = narrowed(frame, filters, None, None)
        if order:
            frame = frame.sort(*order)
        if query.columns is not None:  # thousands of columns take DataFusion seconds
            frame = frame.select(*(col(quoted(name)) for name in columns))
        if query.limit is not None or query.offset:
            # a limit of all rows there could be, where only an offset was asked for
            frame = frame.limit(2**62 if query.limit is None else query.limit, query.offset)
        if query.count:
            frame = frame.aggregate([], [functions.count(lit(1)).alias("count")])
    return without_views(frame), table.version()


def _sorted_by(order: Order, schema: pa.Schema) -> SortExpr:
    column = col(quoted(find_column(order.column, schema).name))
    first = order.nulls == "first" if order.nulls else order.descending
    return column.sort(ascending=not order.descending, nulls_first=first)
