"""A control database of each kind with something of everything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.server.settings.sections import DatabaseSettings, Settings
from postgres_fixture import Postgres

KINDS = ("sqlite", "postgresql")
NewServer = Callable[[str, str], Settings]


@pytest.fixture
def new_server(tmp_path: Path, request: pytest.FixtureRequest) -> NewServer:
    """The settings of a server that was never started: ``new_server("sqlite", "old")``."""

    def make(kind: str, name: str) -> Settings:
        data = tmp_path / name
        data.mkdir()
        if kind == "sqlite":
            return Settings(data=data)
        postgres: Postgres = request.getfixturevalue("postgres")
        # whole ones: a restore looks for others that use the database
        return Settings(data=data, database=DatabaseSettings(url=postgres.create_database()))

    return make


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def old(
    kind: str, new_server: NewServer, memory_engine: MemoryEngine
) -> Iterator[tuple[Settings, Control]]:
    """A server of each kind that runs, and what people made in it."""
    settings = new_server(kind, "old")
    with running_control(settings.data, memory_engine, settings.database.url) as control:
        control.space("vision")
        control.space("audio")
        control.user("alice")
        control.user("bob")
        control.grant("user:alice", "writer", "vision/datasets/*")
        control.grant("anyone", "reader", "audio")
        control.admin.ok("POST", "/v1/users", {"name": "carol", "display_name": "Çarol ✓ ü"})
        control.admin.ok("POST", "/v1/users/carol/disable")
        control.admin.ok("POST", "/v1/tokens", {"label": "ends", "expires_in": 3600})
        yield settings, control
