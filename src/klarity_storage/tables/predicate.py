"""Which rows of a table a change is about, as SQL, tried before anything is changed."""

from __future__ import annotations

import pyarrow as pa

from klarity_storage.errors import InvalidQueryError
from klarity_storage.tables.context import new_context
from klarity_storage.tables.queries import told_as_query


def check_predicate(where: str, schema: pa.Schema) -> None:
    """Raise InvalidQueryError unless the text is a condition on columns of the schema."""
    if not where.strip():
        raise InvalidQueryError(
            "The condition is empty.", hint="Write which rows; 'true' means all of them."
        )
    with told_as_query(f"the condition {where!r}", schema.names):
        frame = new_context().from_arrow(schema.empty_table()).filter(where)
        frame.optimized_logical_plan()  # finds what the types do not allow
