"""The control plane over the real engine, and a push that goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.server.engines.seaweed import SeaweedEngine
from pushing_fixture import Push, push

__all__ = ["Push", "push", "real"]


@pytest.fixture
def control(
    tmp_path: Path, memory_engine: MemoryEngine, database_url: str | None
) -> Iterator[Control]:
    """The control plane over each kind of database."""
    with running_control(tmp_path, memory_engine, database_url) as running:
        yield running


@pytest.fixture
def real(engine: SeaweedEngine, tmp_path: Path) -> Iterator[Control]:
    """The control plane over the real engine; the bucket is shared, the database is not."""
    with running_control(tmp_path / "data", engine) as running:
        yield running
