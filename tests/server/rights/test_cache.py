"""What is kept of rights: exact where it was changed, and a second old elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, event, insert, update

from klarity_storage.errors import UnavailableError
from klarity_storage.protocol.grants import Role
from klarity_storage.server.catalog.grants import new_grant
from klarity_storage.server.catalog.secret import hash_of, new_secret
from klarity_storage.server.catalog.tokens import new_token
from klarity_storage.server.db import schema
from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.cache import EVERY, RightsCache
from klarity_storage.server.rights.patterns import Pattern

SECRET = new_secret()
DIGEST = hash_of(SECRET)
BOB = Actor("bob", "Bob", administrator=False, groups=("staff",))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    with opened.write() as connection:
        now = datetime.now(UTC)
        connection.execute(
            insert(schema.users).values(
                name="bob", display_name="Bob", administrator=False, created_at=now
            )
        )
        connection.execute(insert(schema.tokens).values(new_token("bob", SECRET, label="")))
        for key in ("audio", "vision"):
            connection.execute(
                insert(schema.spaces).values(
                    key=key, description="", created_at=now, created_by="user:root"
                )
            )
        connection.execute(
            insert(schema.groups).values(
                name="staff", description="", created_at=now, created_by="user:root"
            )
        )
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def here(database: Database, clock: Clock) -> RightsCache:
    return RightsCache(database, clock)


@pytest.fixture
def there(database: Database, clock: Clock) -> RightsCache:
    """What another process on the same database keeps."""
    return RightsCache(database, clock)


@pytest.fixture
def asked(database: Database) -> Callable[[], int]:
    """How many statements the database was asked since the last time."""
    count = 0

    def add(*_: object) -> None:
        nonlocal count
        count += 1

    event.listen(database._engine, "before_cursor_execute", add)

    def since() -> int:
        nonlocal count
        found, count = count, 0
        return found

    return since


def grant(cache: RightsCache, principal: str, pattern: str) -> None:
    row = new_grant(principal, Role.READER, Pattern.parse(pattern), by="user:root")
    with cache.change() as connection:
        connection.execute(insert(schema.grants).values(row))


def patterns(cache: RightsCache, space: str | None = None) -> list[str]:
    return sorted(held.pattern for held in cache.grants_held(BOB, space))


def test_what_was_asked_once_is_not_asked_again(
    here: RightsCache, asked: Callable[[], int]
) -> None:
    def ask() -> None:
        here.token(DIGEST)
        here.account("bob")
        here.has_space("vision")
        here.grants_held(BOB, "vision")

    ask()
    assert asked() > 0
    ask()
    assert asked() == 0


def test_grants_are_those_of_all_principals_by_space(here: RightsCache) -> None:
    grant(here, "user:bob", "vision/datasets")
    grant(here, "group:staff", "vision/models")
    grant(here, "anyone", "audio")
    grant(here, "user:eve", "vision")
    assert patterns(here) == ["audio", "vision/datasets", "vision/models"]
    assert patterns(here, "vision") == ["vision/datasets", "vision/models"]
    assert patterns(here, "none") == []


def test_a_change_counts_at_once_where_it_was_made(here: RightsCache) -> None:
    assert patterns(here) == []
    grant(here, "user:bob", "vision")
    assert patterns(here) == ["vision"]
    with here.change() as connection:
        connection.execute(delete(schema.grants))
    assert patterns(here) == []
    found = here.token(DIGEST)
    assert found is not None
    assert found.revoked_at is None
    with here.change() as connection:
        connection.execute(update(schema.tokens).values(revoked_at=datetime.now(UTC)))
    assert here.token_at_hand(DIGEST) is None
    revoked = here.token(DIGEST)
    assert revoked is not None
    assert revoked.revoked_at is not None


def test_a_change_elsewhere_counts_a_second_later(
    here: RightsCache, there: RightsCache, clock: Clock
) -> None:
    assert patterns(there) == []
    grant(here, "user:bob", "vision")
    clock.now += EVERY
    assert patterns(there) == []
    clock.now += 0.001
    assert patterns(there) == ["vision"]


def test_a_second_without_changes_costs_one_look(
    here: RightsCache, clock: Clock, asked: Callable[[], int]
) -> None:
    patterns(here)
    asked()
    clock.now += 2 * EVERY
    assert here.token_at_hand(DIGEST) is None
    patterns(here)
    assert asked() == 2  # BEGIN, and the generation


def test_a_change_that_failed_changes_nothing_anywhere(
    here: RightsCache, there: RightsCache, clock: Clock
) -> None:
    grant(here, "user:bob", "vision")
    assert patterns(there) == ["vision"]

    def fail() -> None:
        with here.change() as connection:
            connection.execute(delete(schema.grants))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    clock.now += 2 * EVERY
    assert patterns(here) == patterns(there) == ["vision"]


def test_what_is_read_while_a_change_is_made_is_not_kept(
    here: RightsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that is slower than a change must not put back what the change took away."""
    from klarity_storage.server.rights import read

    real = read.read_grants
    reading, changed = threading.Event(), threading.Event()

    def slow(*args: object) -> object:
        found = real(*args)  # type: ignore[arg-type]
        reading.set()
        assert changed.wait(30)
        return found

    here.has_space("vision")  # the view stands
    monkeypatch.setattr(read, "read_grants", slow)
    seen: list[list[str]] = []
    reader = threading.Thread(target=lambda: seen.append(patterns(here)))
    reader.start()
    assert reading.wait(30)
    monkeypatch.setattr(read, "read_grants", real)
    grant(here, "user:bob", "vision")
    changed.set()
    reader.join(30)
    assert seen == [[]]  # it asked before the change
    assert patterns(here) == ["vision"]


def test_a_look_that_a_change_overtakes_is_not_believed(
    here: RightsCache, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has just read the old generation must not call the old view fresh."""
    assert patterns(here) == []
    clock.now += 2 * EVERY
    real = database.read
    looking, committed = threading.Event(), threading.Event()

    class Slow:
        def __enter__(self) -> object:
            self.inner = real()
            connection = self.inner.__enter__()
            connection.exec_driver_sql("SELECT value FROM generations").all()  # the old one
            looking.set()
            assert committed.wait(30)
            return connection

        def __exit__(self, *exc: object) -> None:
            self.inner.__exit__(*exc)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", Slow)
    looker = threading.Thread(target=lambda: here.has_space("vision"))
    looker.start()
    assert looking.wait(30)
    monkeypatch.setattr(database, "read", real)
    done = threading.Event()

    def change() -> None:
        with here.change() as connection:
            row = new_grant("user:bob", Role.READER, Pattern("vision"), by="user:root")
            connection.execute(insert(schema.grants).values(row))
            event.listen(connection, "commit", lambda _: committed.set())
        done.set()

    changer = threading.Thread(target=change)
    changer.start()
    looker.join(30)
    changer.join(30)
    assert done.is_set()
    assert patterns(here) == ["vision"]


def test_what_is_not_there_is_not_kept(here: RightsCache) -> None:
    for number in range(100):
        assert here.token(hash_of(f"{number}")) is None
        assert here.account(f"nobody-{number}") is None
        assert not here.has_space(f"none-{number}")
    view = here._view
    assert view is not None
    assert (view.tokens, view.accounts, view.spaces) == ({}, {}, set())


def test_a_decision_is_at_hand_when_all_of_it_is_known(here: RightsCache, clock: Clock) -> None:
    root = Actor("root", "Root", administrator=True)
    grant(here, "user:bob", "vision")
    assert not here.decides_at_hand(BOB, "vision")
    here.grants_held(BOB, "vision")
    here.grants_held(root, "vision")
    assert not here.decides_at_hand(BOB, "vision")
    assert not here.decides_at_hand(root, "vision")
    here.has_space("vision")
    assert here.decides_at_hand(BOB, "vision")
    assert here.decides_at_hand(root, "vision")
    # a space that bob may not know of takes as long whether it is there or not
    here.has_space("audio")
    assert not here.decides_at_hand(BOB, "audio")
    assert not here.decides_at_hand(BOB, "absent")
    assert not here.decides_at_hand(root, "absent")
    clock.now += 2 * EVERY
    assert not here.decides_at_hand(BOB, "vision")


def test_rights_end_when_the_database_is_gone(
    here: RightsCache, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> object:
        raise UnavailableError("The control database does not answer.")

    here.token(DIGEST)
    monkeypatch.setattr(database, "read", gone)
    assert here.token(DIGEST) is not None
    clock.now += 2 * EVERY
    assert here.token_at_hand(DIGEST) is None
    with pytest.raises(UnavailableError):
        here.token(DIGEST)
