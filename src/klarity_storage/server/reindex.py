"""Make anew what follows from the buckets: beside versions, and in the control database."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import select

from klarity_storage.layout import VERSIONED_KINDS, Kind, Name, kind_prefix, space_prefix
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.buckets.usage import UsageBook
from klarity_storage.server.catalog.spaces import add_space, new_space
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights.cache import RightsCache
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.names import list_names, list_spaces
from klarity_storage.versions.reindex import Finding, reindex_name


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what of it was not as it should be."""

    dry_run: bool
    spaces: int
    names: int
    made: int
    """Findings that were made anew; in a dry run, that can be."""
    lost: int
    """Findings that follow from nothing that is there."""
    items: list[Finding]


def reindex(
    database: Database, buckets: Buckets, *, dry_run: bool = True, reread: bool = False
) -> Report:
    """Find what is missing, damaged or wrong of what is derived; make it anew unless ``dry_run``.

    Servers may go on meanwhile: nothing that was written by anybody is overwritten, but for lists
    that are found to be wrong.

    Args:
        database: in which spaces stand.
        buckets: all of the server's.
        dry_run: only find.
        reread: whether large files are read, to compare the lists of their chunks with them.

    Raises:
        UnavailableError: an engine or the database does not answer.
    """
    items: list[Finding] = []
    usage = UsageBook(database, buckets)
    spaces = names = 0
    for bucket, space, finding in _spaces(database, buckets):
        spaces += 1
        if finding is not None:
            items.append(finding)
            if not dry_run:
                _add_space(database, bucket, space)
        for name in _names(bucket, space):
            names += 1
            items += reindex_name(bucket.store, name, dry_run=dry_run, reread=reread)
        if not dry_run:
            usage.count(space)  # not a finding: what is noted is a little off while servers run
    made = sum(item.derived for item in items)
    return Report(
        dry_run=dry_run,
        spaces=spaces,
        names=names,
        made=made,
        lost=len(items) - made,
        items=items,
    )


def _spaces(database: Database, buckets: Buckets) -> Iterator[tuple[Bucket, str, Finding | None]]:
    """The spaces with their buckets; those that the database does not know are findings."""
    columns = schema.spaces.c
    with database.read() as connection:
        rows = connection.execute(select(columns.key, columns.bucket)).all()
    known = {row.key: row.bucket for row in rows}
    for bucket in buckets:
        for space in list_spaces(bucket.store):
            if space in known and known[space] != bucket.name:
                continue  # what a move has left
            if space in known:
                yield bucket, space, None
            elif _holds(bucket, space):
                known[space] = bucket.name
                key = space_prefix(space)
                yield bucket, space, Finding(name=space, what="space", problem="missing", key=key)


def _holds(bucket: Bucket, space: str) -> bool:
    """Whether there is a folder of some kind: others may keep something in the bucket, too."""
    prefix = space_prefix(space)
    with told_as_ours(f"the space {space}"):
        folders = bucket.store.list_with_delimiter(prefix)["common_prefixes"]
    kinds = {kind_prefix(space, kind).rstrip("/") for kind in Kind}
    return not kinds.isdisjoint(folder.rstrip("/") for folder in folders)


def _names(bucket: Bucket, space: str) -> Iterator[Name]:
    """Of all versioned kinds, those too whose log has lost its first entry."""
    for kind in VERSIONED_KINDS:
        yield from list_names(bucket.store, space, kind, uncommitted=True)


def _add_space(database: Database, bucket: Bucket, space: str) -> None:
    """Let the database know a space again: administrators see it, and grant the rest."""
    row = new_space(space, bucket, by="server", description="Found in its bucket.")
    with RightsCache(database).change() as connection:
        add_space(connection, row, bucket, counted_at=None)
