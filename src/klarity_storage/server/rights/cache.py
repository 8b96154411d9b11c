"""What rights are decided by, kept in memory.

In this process it is exact: a change drops all of it before whoever made the change hears of it.
Several processes on one database share a number that rises with each change, and each of them
looks at it every second: so what another process changed counts after a second at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, select, update

from klarity_storage.protocol.grants import Grant
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.rights import read
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.read import KnownAccount, KnownToken
from klarity_storage.server.rights.targets import Account, GroupRecord

EVERY: Final = 1.0
"""Seconds after which the generation is asked for again."""

_TOKENS: Final = schema.tokens.c
_RIGHTS: Final = schema.generations.c.name == "rights"
_GENERATION: Final = select(schema.generations.c.value).where(_RIGHTS)
_RISE: Final = (
    update(schema.generations).where(_RIGHTS).values(value=schema.generations.c.value + 1)
)


T = TypeVar("T")


class _View:
    """What was read while one generation stood; whoever reads on adds to it."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.looked = float("-inf")
        self.tokens: dict[str, KnownToken] = {}
        """By the hash of the secret."""
        self.by_id: dict[str, KnownToken] = {}
        self.accounts: dict[str, KnownAccount] = {}
        self.spaces: set[str] = set()
        self.grants: dict[str, dict[str, list[Grant]]] = {}
        """By principal, then by space."""


class RightsCache:
    """Tokens, accounts, spaces and grants, each read once while nothing changes.

    What is not there is never kept, so that asking for what does not exist fills no memory. Whoever
    reads takes the view first and the database second: when a change comes between, what was read
    too early lands in a view that is dropped already.

    Args:
        database: the truth.
        clock: seconds that only rise.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._view: _View | None = None

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """One change of accounts, tokens, groups, spaces or grants: all of it, or nothing.

        It counts in this process when the block has ended, in others a second later.

        Raises:
            StorageFullError: the database's disk is full or read-only.
            UnavailableError: it does not answer.
        """
        try:
            with self._database.write() as connection:
                connection.execute(_RISE)  # first: changes of other processes wait for this row
                yield connection
        finally:  # also where it is not known whether the change came through
            with self._lock:  # whoever looks at the generation now may have seen the old one
                self._view = None

    def token(self, digest: str) -> KnownToken | None:
        """The token whose secret has that hash; revoked and expired ones too."""
        return self._known(
            self._fresh().tokens, digest, lambda one: read.read_token(one, _TOKENS.hash == digest)
        )

    def token_named(self, token_id: str) -> KnownToken | None:
        """The token of that id, as `token`: for whom a request is answered that came with it."""
        return self._known(
            self._fresh().by_id, token_id, lambda one: read.read_token(one, _TOKENS.id == token_id)
        )

    def account(self, name: str) -> KnownAccount | None:
        """The user or service of that name, disabled ones too."""
        return self._known(self._fresh().accounts, name, lambda one: read.read_account(one, name))

    def _known(
        self, kept: dict[str, T], key: str, look_up: Callable[[Connection], T | None]
    ) -> T | None:
        """What a view has kept, or what is there, which it keeps from now on."""
        found = kept.get(key)
        if found is None:
            with self._database.read() as connection:
                found = look_up(connection)
            if found is not None:
                kept[key] = found
        return found

    def has_space(self, key: str) -> bool:
        """Whether there is such a space."""
        view = self._fresh()
        if key not in view.spaces:
            with self._database.read() as connection:
                if not read.is_there(connection, Pattern(key)):
                    return False
            view.spaces.add(key)
        return True

    def look_up(self, target: Pattern | Account | GroupRecord) -> bool:
        """Whether the space, account or group is there: asked for anew, and not kept."""
        with self._database.read() as connection:
            return read.is_there(connection, target)

    def grants_held(self, actor: Actor, space: str | None = None) -> list[Grant]:
        """The grants of the caller's principals, expired ones too; of one space where named."""
        view = self._fresh()
        missing = [p for p in actor.principals if p not in view.grants]
        if missing:
            with self._database.read() as connection:
                found = read.read_grants(connection, missing)
            view.grants.update(_sorted(missing, found))
        held = [view.grants[principal] for principal in actor.principals]
        if space is not None:
            return [grant for spaces in held for grant in spaces.get(space, ())]
        return [grant for spaces in held for grants in spaces.values() for grant in grants]

    def token_at_hand(self, digest: str) -> KnownToken | None:
        """The token, where that takes no look at the database."""
        view = self._at_hand()
        return None if view is None else view.tokens.get(digest)

    def account_at_hand(self, name: str) -> KnownAccount | None:
        """The user or service, where that takes no look at the database."""
        view = self._at_hand()
        return None if view is None else view.accounts.get(name)

    def decides_at_hand(self, actor: Actor, space: str) -> bool:
        """Whether a decision about that space takes no look at the database."""
        view = self._at_hand()
        return (
            view is not None
            and space in view.spaces
            and all(principal in view.grants for principal in actor.principals)
            and (
                actor.administrator
                or any(space in view.grants[principal] for principal in actor.principals)
            )
        )

    def _at_hand(self) -> _View | None:
        view = self._view
        return None if view is None or self._clock() - view.looked > EVERY else view

    def _fresh(self) -> _View:
        """What is known, after a look whether it still holds where the last one is a while ago."""
        view = self._at_hand()
        if view is not None:
            return view
        with self._lock:
            view = self._at_hand()  # another one may have looked meanwhile
            if view is None:
                view = self._looked()
            return view

    def _looked(self) -> _View:
        looked, view = self._clock(), self._view
        with self._database.read() as connection:
            generation = connection.execute(_GENERATION).scalar_one()
        if view is None or view.generation != generation:
            view = _View(generation)
        view.looked = looked
        self._view = view
        return view


def _sorted(principals: list[str], grants: list[Grant]) -> dict[str, dict[str, list[Grant]]]:
    """Grants by principal and space; a principal without any has none, and that is known."""
    found: dict[str, dict[str, list[Grant]]] = {principal: {} for principal in principals}
    for grant in grants:
        space = grant.pattern.partition("/")[0]
        found[grant.principal].setdefault(space, []).append(grant)
    return found
