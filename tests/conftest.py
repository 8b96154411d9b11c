"""Fixtures for every test: no test sees the home directory or the environment of its machine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
import stamina
from hypothesis import HealthCheck, settings

# machines are shared: how long a test takes says nothing of what it tests
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("shared")

pytest_plugins = [
    "engine_fixture",
    "postgres_fixture",
    "server_fixture",
    "browser_fixture",
    "buckets_fixture",
    "oidc_fixture",
    "web_fixture",
]

Tree = Mapping[str, bytes]
PlantTree = Callable[..., Path]


def pytest_collection_finish() -> None:
    """Keep modules and tests, which stay, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where no home is looked at to find a name for the next: there are thousands."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def _alone(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _homes / uuid4().hex
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KS_CACHE", str(home / "cache"))
    for variable in (
        "KS_URL",
        "KS_TOKEN",
        "SAFENAI_PROJECT_API",
        "KS_CACHE_SIZE",
        "KS_CACHE_LINK",
        "KS_DATABASE_URL",
    ):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _no_waits() -> Iterator[None]:
    """Retries stay, the pauses between them go."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def space() -> str:
    """A space that no other test uses: the engine is shared."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def plant(tmp_path: Path) -> PlantTree:
    """Write a tree: ``plant({"a/b.txt": b"…"}, "name")``."""

    def plant_tree(tree: Tree, name: str = "tree") -> Path:
        root = tmp_path / name
        for path, data in tree.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return root

    return plant_tree


def read_tree(root: Path) -> dict[str, bytes]:
    """What stands in a folder, by path."""
    return {
        str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()
    }
