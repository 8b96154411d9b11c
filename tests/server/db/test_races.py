"""What must not depend on who is first, with two servers on one database."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import func, select, update

from control_fixture import MemoryEngine
from klarity_storage.errors import AlreadyExistsError, InvalidInputError
from klarity_storage.protocol.spaces import CreateSpace
from klarity_storage.protocol.users import CreateUser
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.catalog.spaces import create_space
from klarity_storage.server.catalog.users import create_user, disable_user
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.db.migrate import connect_database
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.cache import RightsCache
from klarity_storage.server.services import Services, open_services
from klarity_storage.server.settings.sections import DatabaseSettings, Settings

ROUNDS = 15
T = TypeVar("T")


@pytest.fixture
def servers(
    tmp_path: Path, memory_engine: MemoryEngine, settings: DatabaseSettings
) -> Iterator[tuple[Services, Services]]:
    """Two servers without users."""
    opened = Settings(data=tmp_path, database=settings)
    first = open_services(opened, [Bucket("main", memory_engine)])
    database = connect_database(tmp_path, settings)
    second = dataclasses.replace(first, database=database, rights=RightsCache(database))
    yield first, second
    second.database.close()
    first.close()


def at_once(*calls: Callable[[], T]) -> list[T | Exception]:
    """What calls return or raise that begin in the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Exception:
        barrier.wait(30)
        try:
            return call()
        except (AlreadyExistsError, InvalidInputError) as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def administrator(services: Services, name: str) -> Context:
    return Context(services, Actor(name, name, administrator=True), "test", "request")


def test_two_administrators_cannot_disable_each_other(servers: tuple[Services, Services]) -> None:
    first, second = servers
    first_token(first)
    admin, other = administrator(first, "admin"), administrator(second, "other")
    create_user(admin, CreateUser(name="other", administrator=True))
    users = schema.users.c
    for _ in range(ROUNDS):
        told = at_once(lambda: disable_user(admin, "other"), lambda: disable_user(other, "admin"))
        assert sum(isinstance(each, InvalidInputError) for each in told) == 1
        with first.database.write() as connection:
            query = select(func.count()).where(users.administrator, users.disabled_at.is_(None))
            assert connection.execute(query).scalar_one() == 1
            connection.execute(update(schema.users).values(disabled_at=None))


def test_servers_that_start_at_once_make_one_first_token(
    servers: tuple[Services, Services],
) -> None:
    first, second = servers
    told = at_once(lambda: first_token(first), lambda: first_token(second))
    assert sum(token is None for token in told) == 1


def test_a_name_is_given_once(servers: tuple[Services, Services]) -> None:
    first, second = servers
    first_token(first)
    admin, again = administrator(first, "admin"), administrator(second, "admin")
    for number in range(ROUNDS):
        wanted = CreateSpace(key=f"s{number}")
        told = at_once(lambda: create_space(admin, wanted), lambda: create_space(again, wanted))  # noqa: B023
        assert sum(isinstance(each, AlreadyExistsError) for each in told) == 1
