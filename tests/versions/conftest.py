from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage


@pytest.fixture(params=["memory", "local", "seaweed"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """The stores that the version contract holds on."""
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        return LocalStore(tmp_path / "bucket", mkdir=True)
    store: ObjectStore = request.getfixturevalue("engine").store
    return store


@pytest.fixture
def storage(bucket: ObjectStore) -> Storage:
    return Storage(LocalBackend(bucket), "the test")
