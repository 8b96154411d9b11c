from __future__ import annotations

import pytest

from klarity_storage.server.engines.seaweed import SeaweedEngine

pytestmark = pytest.mark.real


def test_a_started_engine_stores_and_reads(engine: SeaweedEngine) -> None:
    engine.store.put("first/key", b"bytes")
    assert bytes(engine.store.get("first/key").bytes()) == b"bytes"
    assert engine.check() is None
