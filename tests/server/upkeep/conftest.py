"""The control plane over each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from control_fixture import Control, MemoryEngine, running_control
from pushing_fixture import push

__all__ = ["push"]


@pytest.fixture
def control(
    tmp_path: Path, memory_engine: MemoryEngine, database_url: str | None
) -> Iterator[Control]:
    with running_control(tmp_path, memory_engine, database_url) as running:
        yield running
