"""A table of a real server that is cached on this disk, and who reads and writes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pytest

import klarity_storage as ks
from klarity_storage.client import table_places
from server_fixture import RunningServer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no test changes the ``.safenai`` of another."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(table_places, "_said", set())
    return folder


@pytest.fixture
def runs(here: Path, owned: ks.Storage, space: str) -> str:
    table = f"{space}/tables/runs"
    owned.push_data_frame(table, {"id": [1, 2, 3], "x": [0.5, 0.5, 0.5]}, message="first")
    return table


@pytest.fixture
def reader(server: RunningServer, runs: str) -> Iterator[ks.Storage]:
    """In the folder of the project, as somebody who may only read."""
    with server.user(("reader", runs)) as storage:
        yield storage


@pytest.fixture
def other(server: RunningServer, runs: str, tmp_path: Path, here: Path) -> Iterator[ks.Storage]:
    """A writer in another folder, for whom nothing is cached."""
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    with server.user(("writer", runs)) as storage:
        os.chdir(here)
        yield storage


def ids(storage: ks.Storage, table: str, **how: Any) -> list[int]:
    return sorted(pa.table(storage.get_data_frame(table, **how))["id"].to_pylist())


def rows(*numbers: int) -> dict[str, list[Any]]:
    return {"id": list(numbers), "x": [0.5] * len(numbers)}


def objects(storage: ks.Storage, table: str) -> list[tuple[str, int, str | None]]:
    """Every object of a table as it stands in the engine."""
    store = storage.credentials(table).obstore()
    found = (item for page in obstore.list(store, f"{table}/") for item in page)
    return sorted((item["path"], item["size"], item["e_tag"]) for item in found)
