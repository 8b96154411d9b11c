"""Which bucket a space lies in: the one place that knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, select, update

from klarity_storage.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    SpaceNotFoundError,
    UnavailableError,
)
from klarity_storage.protocol.spaces import Phase
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.settings.sections import MAIN

NOTED_EVERY: Final = timedelta(minutes=10)
SLACK: Final = timedelta(minutes=5)
"""How long after their end keys may still be at work: a request that began, clocks that differ."""

_LATELY: Final = 1.0
"""Seconds for which keys to read go by what was seen of a space."""
_KEPT: Final = 10_000
"""Spaces of which that is kept in mind."""

_SPACES: Final = schema.spaces.c
_STATE: Final = (
    select(_SPACES.bucket, schema.moves.c.phase, _SPACES.read_until, _SPACES.written_until)
    .join(schema.moves, schema.moves.c.space == _SPACES.key, isouter=True)
    .where(_SPACES.key == bindparam("space"))
)


class _State(NamedTuple):
    """Which bucket a space lies in, how far a move of it is, and until when keys to it are out."""

    bucket: str
    phase: str | None
    read_until: datetime | None
    written_until: datetime | None


class Buckets:
    """The buckets of a server, by name and by space.

    Args:
        database: says which space lies where.
        buckets: all of them, the main one first.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        database: Database,
        buckets: Iterable[Bucket],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[str, tuple[float, _State]] = {}
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
        return self.holding(space, self._state(space).bucket)

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

    @contextmanager
    def writing(self, space: str) -> Iterator[Bucket]:
        """The bucket of a space, for something that the server writes into it.

        Raises:
            ConflictError: the space is being moved; when that began in between, it is not known
                whether what was written has come along.
        """
        bucket = self._standing(space, self._state(space))
        yield bucket
        state = self._state(space)
        # in the final phase, the last pass of the move may not have seen it
        if state.bucket != bucket.name or state.phase == Phase.FINAL:
            raise ConflictError(
                f"The space {space} was moved to another bucket at the same time.",
                hint="Look whether it was done, and do it again if not.",
            )

    def giving_keys(self, space: str, lasting: timedelta, *, write: bool) -> Bucket:
        """The bucket of a space, for keys to it; it is noted until when they are out.

        Noted in steps, so that few of those who ask for keys wait for a write to the database, and
        before it is asked whether the space is being moved: a move waits for what was noted.

        Raises:
            ConflictError: they would write, and the space is being moved.
        """
        state = self._state(space) if write else self._lately(space)
        until = datetime.now(UTC) + lasting + SLACK
        noted = state.written_until if write else state.read_until
        if noted is None or noted < until:
            column = _SPACES.written_until if write else _SPACES.read_until
            mine = (_SPACES.key == space, or_(column.is_(None), column < until))
            later = {column.name: until + NOTED_EVERY}
            with self._database.write() as connection:
                connection.execute(update(schema.spaces).where(*mine).values(later))
            state = self._state(space)
            self._seen.pop(space, None)
        return self._standing(space, state) if write else self.holding(space, state.bucket)

    def _standing(self, space: str, state: _State) -> Bucket:
        if state.phase in {Phase.COPYING, Phase.FINAL}:
            raise ConflictError(
                f"The space {space} is being moved to another bucket, and takes nothing until "
                "that is done.",
                hint=f"Wait for it: ks space show {space}",
            )
        return self.holding(space, state.bucket)

    def _lately(self, space: str) -> _State:
        """The state of a space as it was a second ago at most, for keys to read.

        What was noted then is noted still, as it only rises; and whoever has moved the space since
        leaves what it holds where it was until the noted time.
        """
        now = self._clock()
        seen = self._seen.get(space)
        if seen is None or now - seen[0] > _LATELY:
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            seen = self._seen[space] = now, self._state(space)
        return seen[1]

    def _state(self, space: str) -> _State:
        with self._database.read() as connection:
            row = connection.execute(_STATE, {"space": space}).one_or_none()
        if row is None:
            raise SpaceNotFoundError(
                f"There is no space {space!r}.", hint="ks space ls lists what there is."
            )
        return _State(*row)

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
