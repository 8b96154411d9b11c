"""Binaries of rows: deleting them; keys that do it are given to nobody."""

from __future__ import annotations

from klarity_storage.layout import Name, check_path, row_segment
from klarity_storage.protocol.binaries import DeleteBinaries, DeletedBinaries
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.tables.binaries import delete_raw_binaries


def delete_binaries(context: Context, table: Name, wanted: DeleteBinaries) -> DeletedBinaries:
    """Delete the files of rows.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        ForbiddenError: the caller is no owner of the table.
    """
    for row in wanted.rows:
        row_segment(row)
    for name in wanted.names or ():
        check_path(name)
    told = f"delete binaries of {len(wanted.rows)} rows, {wanted.rows[0]!r:.80} first"
    require(context, Action.OWN, Pattern.of(table), about=told)
    with context.services.buckets.writing(table.space) as bucket:
        gone = delete_raw_binaries(bucket.store, table, wanted.rows, wanted.names)
    return DeletedBinaries(files=gone)
