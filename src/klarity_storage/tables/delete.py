"""Rows out of a table, by a condition."""

from __future__ import annotations

from klarity_storage.protocol.tables import RowsDeleted
from klarity_storage.tables.change import changing
from klarity_storage.tables.commit import HOOKS, Signature, parquet
from klarity_storage.tables.location import Locate
from klarity_storage.tables.predicate import check_predicate


def delete_rows(locate: Locate, where: str, signature: Signature) -> RowsDeleted:
    """Delete the rows for which a condition holds; those for which it is null stay.

    Files that hold such rows are written anew without them. The old ones stay for older versions
    until they are vacuumed. Nothing is committed when there is no such row.

    Raises:
        InvalidQueryError: it is no condition on the table's columns.
        ConflictError: somebody else changed the same rows.
    """
    with changing(locate) as change:
        check_predicate(where, change.schema)
        done = change.table.delete(
            where,
            writer_properties=parquet(change.schema),
            commit_properties=signature.commit(),
            post_commithook_properties=HOOKS,
        )
        if not done["num_removed_files"]:
            return RowsDeleted(change.table.version(), 0)
        return RowsDeleted(change.table.version(), done.get("num_deleted_rows"))
