"""Moves between buckets of stores in memory, which have the manners of S3, and time that passes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore
from sqlalchemy import update

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db import schema


def yes() -> bool:
    return True


def keys_end(control: Control) -> None:
    """Let all keys that are out have ended a while ago."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    with control.services.database.write() as connection:
        values = {"written_until": past, "read_until": past}
        connection.execute(update(schema.spaces).values(values))
    control.services.buckets._seen.clear()  # time passes for what is kept in mind, too


def grace_ends(control: Control) -> None:
    with control.services.database.write() as connection:
        past = {"clear_after": datetime.now(UTC) - timedelta(seconds=1)}
        connection.execute(update(schema.moves).values(past))


def held(store: ObjectStore, space: str) -> dict[str, bytes]:
    pages = store.list(f"{space}/")
    return {meta["path"]: bytes(store.get(meta["path"]).bytes()) for page in pages for meta in page}


def begin(control: Control, space: str, bucket: str) -> dict[str, Any]:
    found: dict[str, Any] = control.admin.ok("POST", f"/v1/spaces/{space}/move", {"bucket": bucket})
    return found


def shown(control: Control, space: str) -> dict[str, Any]:
    found: dict[str, Any] = control.admin.ok("GET", f"/v1/spaces/{space}")
    return found


@pytest.fixture
def pair(memory_engine: MemoryEngine) -> list[Bucket]:
    return [
        Bucket("main", memory_engine),
        Bucket("far", MemoryEngine()),
        Bucket("brief", MemoryEngine(), Strategy.SCRATCH, timedelta(days=3)),
        Bucket("month", MemoryEngine(), Strategy.SCRATCH, timedelta(days=30)),
        Bucket("site", MemoryEngine(), Strategy.WEB, public=True),
        Bucket("hidden", MemoryEngine(), Strategy.WEB),
    ]


@pytest.fixture
def control(tmp_path: Path, pair: list[Bucket], database_url: str | None) -> Iterator[Control]:
    with running_control(tmp_path / "data", pair, database_url) as running:
        yield running


def fill(bucket: Bucket, space: str) -> dict[str, bytes]:
    tree = {
        f"{space}/{path}": path.encode() * 3
        for path in ("datasets/a/_log/0.json", "datasets/a/x", "datasets/b/y", "tables/t/z", "odd")
    }
    for path, data in tree.items():
        bucket.store.put(path, data)
    return tree
