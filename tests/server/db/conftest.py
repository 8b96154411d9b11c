"""A control database of each kind: what is promised of one is promised of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from klarity_storage.server.db.engine import Database
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.settings.sections import DatabaseSettings


@pytest.fixture
def settings(database_url: str | None) -> DatabaseSettings:
    return DatabaseSettings(url=database_url, connections=5)


@pytest.fixture
def database(tmp_path: Path, settings: DatabaseSettings) -> Iterator[Database]:
    opened = open_database(tmp_path, settings)
    yield opened
    opened.close()
