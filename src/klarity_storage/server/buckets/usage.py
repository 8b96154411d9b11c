"""How much lies in a space, and how much may: known without a listing at each push.

Commits and collections are added up in the control database, for all servers together; storage is
listed where the sum would refuse something, and from time to time where keys to write were out.
What that means at its edges: design/012-buckets-and-strategies.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, case, or_, select, update

from klarity_storage.errors import QuotaError
from klarity_storage.layout import space_prefix
from klarity_storage.protocol.spaces import Quota, Usage
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.buckets.measure import NOTHING, Amount, measure
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.versions.commit import Admit

FRESH: Final = timedelta(seconds=10)
"""How long a count is good enough to refuse by: whoever is refused asks again at once."""

_USAGE: Final = schema.usage.c


class UsageBook:
    """What is known of every space's usage, and its quota.

    Args:
        database: where it is kept.
        buckets: where it is counted.
    """

    def __init__(self, database: Database, buckets: Buckets) -> None:
        self._database = database
        self._buckets = buckets

    def read(self, space: str) -> tuple[Usage, Quota]:
        """What lies in a space, as far as is known, and what may."""
        row = self._row(space)
        return (
            Usage(bytes=row.bytes, objects=row.objects, counted_at=row.counted_at),
            Quota(bytes=row.max_bytes, objects=row.max_objects),
        )

    def set_quota(self, space: str, quota: Quota) -> None:
        """Set what may lie in a space; what lies there already stays."""
        limits = {"max_bytes": quota.bytes, "max_objects": quota.objects}
        with self._database.write() as connection:
            connection.execute(update(schema.usage).where(_USAGE.space == space).values(limits))

    def check(self, space: str, adding: Amount, below: str | None = None) -> None:
        """Refuse what would bring a space above its quota, before it is uploaded.

        Args:
            space: which.
            adding: what is about to come.
            below: the folder that it comes to: what an earlier try has left there counts already.

        Raises:
            QuotaError: there is no room for it.
            UnavailableError: the engine does not answer.
        """
        row = self._row(space)
        if _fits(row, adding):
            return
        if row.counted_at is None or row.counted_at < datetime.now(UTC) - FRESH:
            self.count(space)
            row = self._row(space)
        self._check_counted(space, row, adding, below)

    @contextmanager
    def taking(self, space: str, below: str) -> Iterator[Admit]:
        """Let a commit take what it adds, all of it or nothing; given back when it fails.

        Args:
            space: which.
            below: the folder in which it lies already.

        Yields:
            What raises QuotaError where there is no room for those bytes and objects.
        """
        taken: list[Amount] = []

        def admit(size: int, objects: int) -> None:
            taken.append(self._take(space, Amount(size, objects), below))

        try:
            yield admit
        except BaseException:
            for amount in taken:
                self.add(space, Amount(-amount.bytes, -amount.objects))
            raise

    def add(self, space: str, amount: Amount) -> None:
        """Note what came, or with negative numbers went."""
        with self._database.write() as connection:
            connection.execute(_added(space, amount))

    def count(self, space: str) -> Usage:
        """Ask storage what lies in a space, and take that for true.

        What is added up while it is counted may be counted twice, until the next time: too much is
        noted rather than too little.
        """
        before = self._row(space)
        found = measure(self._buckets.of(space).store, space_prefix(space))
        meanwhile = {
            "bytes": found.bytes + _grown(_USAGE.bytes, before.bytes),
            "objects": found.objects + _grown(_USAGE.objects, before.objects),
            "counted_at": datetime.now(UTC),
        }
        with self._database.write() as connection:
            connection.execute(update(schema.usage).where(_USAGE.space == space).values(meanwhile))
        return self.read(space)[0]

    def _take(self, space: str, adding: Amount, below: str) -> Amount:
        with self._database.write() as connection:
            room = (
                _room(_USAGE.bytes, _USAGE.max_bytes, adding.bytes),
                _room(_USAGE.objects, _USAGE.max_objects, adding.objects),
            )
            if connection.execute(_added(space, adding).where(*room)).rowcount:
                return adding
        # it lies there already: storage itself says whether it is too much
        self.count(space)
        self._check_counted(space, self._row(space), adding, below)
        return NOTHING

    def _check_counted(self, space: str, row: Row[Any], adding: Amount, below: str | None) -> None:
        there = measure(self._buckets.of(space).store, below) if below else NOTHING
        left = Amount(max(0, adding.bytes - there.bytes), max(0, adding.objects - there.objects))
        if not _fits(row, left):
            raise _over(space, row, left)

    def _row(self, space: str) -> Row[Any]:
        with self._database.read() as connection:
            return _row(connection, space)


def _row(connection: Connection, space: str) -> Row[Any]:
    return connection.execute(select(schema.usage).where(_USAGE.space == space)).one()


def _added(space: str, amount: Amount) -> Any:
    return (
        update(schema.usage)
        .where(_USAGE.space == space)
        .values(
            bytes=_not_below_zero(_USAGE.bytes + amount.bytes),
            objects=_not_below_zero(_USAGE.objects + amount.objects),
        )
    )


def _not_below_zero(value: Any) -> Any:
    return case((value < 0, 0), else_=value)


def _grown(now: Any, before: int) -> Any:
    return case((now > before, now - before), else_=0)


def _room(used: Any, most: Any, adding: int) -> Any:
    return or_(most.is_(None), used + adding <= most)


def _fits(row: Row[Any], adding: Amount) -> bool:
    """Whether there is room; a space that was never counted has none before it is."""
    limits = (
        (row.bytes, adding.bytes, row.max_bytes),
        (row.objects, adding.objects, row.max_objects),
    )
    if all(most is None for *_, most in limits):
        return True
    return row.counted_at is not None and all(
        most is None or used + more <= most for used, more, most in limits
    )


def _over(space: str, row: Row[Any], adding: Amount) -> QuotaError:
    if row.max_bytes is not None and row.bytes + adding.bytes > row.max_bytes:
        used, more, most = map(_size, (row.bytes, adding.bytes, row.max_bytes))
        left, option = _size(max(0, row.max_bytes - row.bytes)), "--bytes"
    else:
        used, more, most = (f"{n:,}" for n in (row.objects, adding.objects, row.max_objects))
        left, option = f"{max(0, row.max_objects - row.objects):,} objects", "--objects"
    return QuotaError(
        f"{more} more do not fit into the space {space}: {used} of {most} are used, {left} left.",
        hint=f"Delete versions and run: ks gc {space} - or ask an administrator for: "
        f"ks space quota {space} {option} SIZE",
    )


def _size(count: int) -> str:
    """Bytes as a person reads them; small ones exactly."""
    amount, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"
