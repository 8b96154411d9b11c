"""Which bucket a space lies in: the one place that knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update

from klarity_storage.errors import (
    ConfigurationError,
    InvalidInputError,
    SpaceNotFoundError,
    UnavailableError,
)
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.settings.sections import MAIN

NOTED_EVERY: Final = timedelta(minutes=10)


class Buckets:
    """The buckets of a server, by name and by space.

    Args:
        database: says which space lies where.
        buckets: all of them, the main one first.
    """

    def __init__(self, database: Database, buckets: Iterable[Bucket]) -> None:
        self._database = database
        self._buckets = {bucket.name: bucket for bucket in buckets}

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._buckets.values())

    @property
    def main(self) -> Bucket:
        """Where a space lies that says nothing else."""
        return self._buckets[MAIN]

    def of(self, space: str) -> Bucket:
        """The bucket that a space lies in now.

        It is asked for at every request: another process may have moved the space.

        Raises:
            SpaceNotFoundError: there is no such space.
            UnavailableError: the server was started without its bucket.
        """
        query = select(schema.spaces.c.bucket).where(schema.spaces.c.key == space)
        with self._database.read() as connection:
            name = connection.execute(query).scalar_one_or_none()
        if name is None:
            raise SpaceNotFoundError(
                f"There is no space {space!r}.", hint="ks space ls lists what there is."
            )
        return self.holding(space, name)

    def named(self, name: str) -> Bucket:
        """A bucket by its name.

        Raises:
            InvalidInputError: the server has none of that name.
        """
        if name not in self._buckets:
            raise InvalidInputError(
                f"The server has no bucket {name!r}.", hint=f"It has: {', '.join(self._buckets)}."
            )
        return self._buckets[name]

    def note_keys(self, space: str, lasting: timedelta) -> None:
        """Note that keys to write into a space are out, before they are given.

        Noted in steps, so that few of those who ask for keys wait for a write to the database.
        """
        until = datetime.now(UTC) + lasting
        column = schema.spaces.c.written_until
        with self._database.read() as connection:
            query = select(column).where(schema.spaces.c.key == space)
            noted = connection.execute(query).scalar_one()
        if noted is not None and noted >= until:
            return
        later = {"written_until": until + NOTED_EVERY}
        with self._database.write() as connection:
            mine = (schema.spaces.c.key == space, or_(column.is_(None), column < until))
            connection.execute(update(schema.spaces).where(*mine).values(later))

    def check(self) -> dict[str, str | None]:
        """For each bucket None when it answers, or a sentence that says what is wrong."""
        return {
            "engine" if bucket.name == MAIN else f"bucket {bucket.name}": bucket.engine.check()
            for bucket in self
        }

    def holding(self, space: str, name: str) -> Bucket:
        """The bucket of that name, which the database says a space lies in.

        Raises:
            UnavailableError: the server was started without it.
        """
        if name not in self._buckets:
            raise UnavailableError(
                f"The space {space} lies in the bucket {name!r}, which this server does not know.",
                hint=f"Start it with [buckets.{name}] in klarity.toml.",
            )
        return self._buckets[name]


def open_known(database: Database, buckets: Iterable[Bucket]) -> Buckets:
    """The buckets, once every space is known to lie in one of them as it was made.

    Raises:
        ConfigurationError: a space's bucket is not there, or of another strategy now.
    """
    known = Buckets(database, buckets)
    columns = schema.spaces.c
    query = select(columns.key, columns.bucket, columns.strategy).order_by(columns.key)
    with database.read() as connection:
        rows = connection.execute(query).all()
    by_name = {bucket.name: bucket for bucket in known}
    for space, name, strategy in rows:
        if name not in by_name:
            raise ConfigurationError(
                f"The space {space} lies in the bucket {name!r}, which is not in the settings.",
                hint=f"Add [buckets.{name}] again; ks space move takes a space elsewhere.",
            )
        if by_name[name].strategy != strategy:
            raise ConfigurationError(
                f"The bucket {name!r} is {by_name[name].strategy} now, and the space {space} in it "
                f"was made as {strategy}.",
                hint=f'Set buckets.{name}.strategy = "{strategy}" again, or describe a new bucket.',
            )
    return known
