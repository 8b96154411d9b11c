"""Binaries of rows: listed page by page, and deleted; keys that delete are given to nobody."""

from __future__ import annotations

from itertools import islice

from klarity_storage.errors import InvalidInputError
from klarity_storage.layout import Name, check_path, row_segment
from klarity_storage.protocol.binaries import (
    MAX_BINARIES,
    DeleteBinaries,
    DeletedBinaries,
    RawFile,
    RawFileList,
    RawRow,
    RawRowList,
)
from klarity_storage.server.context import Context
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import require
from klarity_storage.tables import binaries
from klarity_storage.tables.binaries import delete_raw_binaries, files_after, rows_after


def list_binary_rows(context: Context, table: Name, *, limit: int, after: str | None) -> RawRowList:
    """A page of the rows that have binaries, in the order of storage.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        InvalidInputError: there is no page of that size.
    """
    _check_limit(limit)
    if after is not None:
        row_segment(after)
    require(context, Action.READ, Pattern.of(table), about="list rows with binaries")
    store = context.services.buckets.of(table.space).store
    rows = list(islice(rows_after(store, table, after), limit + 1))
    return RawRowList(
        items=[RawRow(row) for row in rows[:limit]], next=rows[limit - 1] if rows[limit:] else None
    )


def list_binaries(
    context: Context, table: Name, row: str, *, limit: int, after: str | None
) -> RawFileList:
    """A page of the binaries of a row, in the order of storage.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        FileMissingError: the row has none.
        InvalidInputError: there is no page of that size, or none behind such a name.
    """
    _check_limit(limit)
    row_segment(row)
    require(context, Action.READ, Pattern.of(table), about=f"list binaries of row {row!r:.80}")
    store = context.services.buckets.of(table.space).store
    found = list(islice(files_after(store, table, row, after), limit + 1))
    if not found and (not after or next(files_after(store, table, row), None) is None):
        raise binaries.missing(table, row)
    items = [RawFile(name, size, binaries.media_type_of(name)) for name, size in found[:limit]]
    return RawFileList(items=items, next=items[-1].name if found[limit:] else None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_BINARIES:
        raise InvalidInputError(
            f"There is no page of {limit} binaries.", hint=f"Ask for 1 to {MAX_BINARIES}."
        )


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
