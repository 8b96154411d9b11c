"""What a transaction on the control database means, whichever database it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, text

from klarity_storage.errors import StorageError
from klarity_storage.server.db.failures import told_as_ours

PATIENCE: Final = 5.0
"""Seconds that a change waits for the others that are made."""

WAITS: Final = "ks_waits"
"""The option of a connection that changes something: how long it waits, in milliseconds."""


class Database:
    """The control database.

    Every piece of work is one transaction: ``with database.read() as connection`` or ``write()``.

    Args:
        engine: whose transactions are of one state of the database, and follow one another where
            the option WAITS is set.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def read(self) -> AbstractContextManager[Connection]:
        """One consistent view of the database.

        Raises:
            UnavailableError: it does not answer.
        """
        return _transaction(self._engine, {})

    def write(self, patience: float = PATIENCE) -> AbstractContextManager[Connection]:
        """One change: all of it is there after the block, or nothing of it.

        Changes follow one another, those of other processes too: what is read in the block stays
        so until its end, so that counting administrators before one is disabled is safe.

        Args:
            patience: seconds to wait for the others.

        Raises:
            StorageFullError: its disk is full or read-only.
            UnavailableError: it does not answer.
        """
        return _transaction(self._engine, {WAITS: int(patience * 1000)})

    def check(self) -> str | None:
        """None when it answers, or one sentence that says what is wrong."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1 FROM spaces LIMIT 1"))
        except StorageError as error:
            return error.message
        return None

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def _transaction(engine: Engine, options: dict[str, int]) -> Iterator[Connection]:
    with (
        told_as_ours(),
        engine.connect() as connection,
        connection.execution_options(**options).begin(),
    ):
        yield connection
