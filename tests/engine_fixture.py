"""One real engine for a test session: the embedded SeaweedFS in a temporary directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from klarity_storage.server.engines.seaweed import SeaweedEngine


def start_engine(tmp_path_factory: pytest.TempPathFactory) -> SeaweedEngine:
    """A running engine with an empty bucket; whoever starts it calls ``stop()``."""
    running = SeaweedEngine(tmp_path_factory.mktemp("engine"))
    running.start()
    return running


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedEngine]:
    """Shared by all tests of a worker: each test uses a space of its own."""
    running = start_engine(tmp_path_factory)
    try:
        yield running
    finally:
        running.stop()
