from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from control_fixture import MemoryEngine
from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.catalog.tokens import authenticate
from klarity_storage.server.db import schema
from klarity_storage.server.services import Services, open_services
from klarity_storage.server.settings.sections import Settings


@pytest.fixture
def services(tmp_path: Path, memory_engine: MemoryEngine) -> Iterator[Services]:
    opened = open_services(Settings(data=tmp_path), [Bucket("main", memory_engine)])
    yield opened
    opened.close()


def count(services: Services) -> int:
    with services.database.read() as connection:
        users = select(func.count()).select_from(schema.users)
        tokens = select(func.count()).select_from(schema.tokens)
        return sum(connection.execute(query).scalar_one() for query in (users, tokens))


def test_the_first_start_gives_one_token_and_no_other_does(services: Services) -> None:
    shown: list[str] = []
    secret = first_token(services, shown.append)
    assert shown == [secret]
    assert secret is not None
    actor = authenticate(services, secret)
    assert (actor.user, actor.administrator) == ("admin", True)
    assert first_token(services, shown.append) is None
    assert len(shown) == 1
    assert count(services) == 2


def test_killed_while_it_shows_the_next_start_begins_anew(services: Services) -> None:
    shown: list[str] = []

    def die(secret: str) -> None:
        shown.append(secret)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first_token(services, die)
    assert count(services) == 0
    with pytest.raises(UnauthenticatedError):
        authenticate(services, shown[0])
    secret = first_token(services)
    assert secret is not None
    assert secret != shown[0]
    authenticate(services, secret)


def test_nothing_is_committed_before_it_is_shown(services: Services) -> None:
    seen: list[int] = []
    first_token(services, lambda _: seen.append(count(services)))
    assert seen == [0]
