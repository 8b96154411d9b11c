"""Let go of what lies in scratch and was written long ago.

A version expires by a deletion in its log, as anybody's would be, and its bytes are collected as
anybody's are. A table expires whole. Each leaves an audit line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import delete, insert, or_, select, update

from klarity_storage.errors import ConflictError, VersionNotFoundError
from klarity_storage.layout import VERSIONED_KINDS, Name, raw_binary_prefix
from klarity_storage.protocol.log import SERVER
from klarity_storage.server.audit.sink import AuditEvent
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.measure import Amount
from klarity_storage.server.db import schema
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.services import Services
from klarity_storage.tables.names import list_tables
from klarity_storage.versions.delete import delete_version
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.gc import GRACE, collect_garbage
from klarity_storage.versions.history import History
from klarity_storage.versions.names import list_names

EVERY: Final = timedelta(hours=1)
"""How often a space is looked through."""

GoOn = Callable[[], bool]


def expire_due(services: Services, go_on: GoOn) -> None:
    """Look through each space of scratch that was not looked through for an hour."""
    now = datetime.now(UTC)
    columns = schema.spaces.c
    for bucket in services.buckets:
        if bucket.expires_after is None:
            continue
        due = or_(columns.swept_at.is_(None), columns.swept_at < now - EVERY)
        query = select(columns.key).where(columns.bucket == bucket.name, due)
        with services.database.read() as connection:
            spaces = list(connection.execute(query.order_by(columns.key)).scalars())
        for space in spaces:
            try:
                with services.buckets.writing(space):
                    if not expire_space(services, bucket, space, go_on, now):
                        return
            except ConflictError:
                continue  # it is being moved, and looked through where it comes to lie


def expire_space(
    services: Services, bucket: Bucket, space: str, go_on: GoOn, now: datetime
) -> bool:
    """Let go of what has expired in one space; False when it was not done to the end."""
    assert bucket.expires_after is not None  # noqa: S101 - asked for in scratch alone
    since = now - bucket.expires_after
    for kind in VERSIONED_KINDS:
        for name in list_names(bucket.store, space, kind, uncommitted=True):
            if not go_on():
                return False
            _expire_versions(services, bucket, name, since)
    for table in list_tables(bucket.store, space):
        if not go_on():
            return False
        if (at := _last_written(bucket, table)) is not None and at <= since:
            _drop(services, bucket, table, at)
    with services.database.write() as connection:
        mine = schema.spaces.c.key == space
        connection.execute(update(schema.spaces).where(mine).values(swept_at=now))
    return True


def _expire_versions(services: Services, bucket: Bucket, name: Name, since: datetime) -> None:
    history = services.histories.read(bucket.store, name)
    for version, at in _expired(history, since):
        _record(services, bucket, str(name), f"delete version {version}, written {at:%Y-%m-%d}")
        try:
            delete_version(
                bucket.store,
                name,
                version,
                by=SERVER,
                reason=f"it is kept for {_days(bucket)} after it was written",
                untag=True,
                unpin=True,
                history=history,
            )
        except VersionNotFoundError:
            continue  # somebody else has deleted it just now
        services.histories.outdate(name)
    found = collect_garbage(
        bucket.store,
        name,
        by=SERVER,
        grace=GRACE,
        dry_run=False,
        history=services.histories.known(name),
        uploads=bucket.engine.uploads,
    )
    if found.objects:
        _record(services, bucket, str(name), f"collect {found.objects} objects")
        services.usage.add(name.space, Amount(-found.bytes, -found.objects))


def _expired(history: History, since: datetime) -> Iterator[tuple[str, datetime]]:
    """The versions whose newest commit is too old; one that was pushed again lives on."""
    newest = {commit.version: commit.at for commit in history.commits.values()}
    return ((version, at) for version, at in newest.items() if at <= since)


def _last_written(bucket: Bucket, table: Name) -> datetime | None:
    """When the newest entry of a table's log came."""
    with told_as_ours(f"the log of {table}"):
        pages = bucket.store.list(f"{table.prefix}_delta_log/")
        return max((meta["last_modified"] for page in pages for meta in page), default=None)


def _drop(services: Services, bucket: Bucket, table: Name, at: datetime) -> None:
    """Delete a table, its log first: nobody finds one whose files are missing."""
    _record(services, bucket, str(table), f"drop the table, written {at:%Y-%m-%d}")
    mine = schema.expired_tables.c
    with services.database.write() as connection:  # first, so that it is never missing untold
        same = (mine.space == table.space, mine.name == table.name)
        connection.execute(delete(schema.expired_tables).where(*same))
        row = {"space": table.space, "name": table.name, "at": datetime.now(UTC)}
        connection.execute(insert(schema.expired_tables).values(row))
    gone = Amount(0, 0)
    for prefix in (f"{table.prefix}_delta_log/", table.prefix, raw_binary_prefix(table)):
        with told_as_ours(f"the table {table}"):
            for page in bucket.store.list(prefix):
                bucket.store.delete([meta["path"] for meta in page])
                size = sum(meta["size"] for meta in page)
                gone = Amount(gone.bytes + size, gone.objects + len(page))
    services.usage.add(table.space, Amount(-gone.bytes, -gone.objects))


def _record(services: Services, bucket: Bucket, target: str, about: str) -> None:
    services.audit.write(
        AuditEvent(
            at=datetime.now(UTC),
            request_id=uuid4().hex[:16],
            principal=SERVER,
            token_id=None,
            operation="expire",
            action=Action.OWN,
            target=target,
            scope=target,
            about=about,
            allowed=True,
            via=f"buckets.{bucket.name}.days",
            reason=f"the bucket {bucket.name} keeps what was written for {_days(bucket)}",
        )
    )


def _days(bucket: Bucket) -> str:
    days = 0 if bucket.expires_after is None else bucket.expires_after.days
    return f"{days} day{'' if days == 1 else 's'}"
