"""Who of several servers does a thing that one of them has to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import insert, or_, update
from sqlalchemy.exc import IntegrityError

from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database

LASTING: Final = timedelta(minutes=2)
"""A server that was killed holds a lease no longer than this."""

_LEASES: Final = schema.leases.c


class Lease:
    """The right to do a thing, by its name, until it runs out or is given back.

    Args:
        database: that all servers share.
        name: of the thing.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._holder = uuid4().hex

    def take(self) -> bool:
        """Take or renew it; False when another server has it."""
        now = datetime.now(UTC)
        mine = {"holder": self._holder, "until": now + LASTING}
        free = or_(_LEASES.holder == self._holder, _LEASES.until < now)
        try:
            with self._database.write() as connection:
                changed = update(schema.leases).where(_LEASES.name == self._name, free)
                if connection.execute(changed.values(mine)).rowcount:
                    return True
                connection.execute(insert(schema.leases).values(name=self._name, **mine))
        except IntegrityError:  # there is one, and it is another's
            return False
        return True

    def give_back(self) -> None:
        """Let another server have it at once."""
        mine = (_LEASES.name == self._name, _LEASES.holder == self._holder)
        with self._database.write() as connection:
            connection.execute(schema.leases.delete().where(*mine))
