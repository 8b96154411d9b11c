from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore

from control_fixture import MemoryEngine, running_control
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.upkeep.move import move_due
from moves_fixture import begin, fill, grace_ends, held, shown, yes


class Store:
    """A store whose operations are told to somebody first."""

    def __init__(self, inner: ObjectStore, told: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._told = told

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in {"get", "put", "head", "list", "list_with_delimiter", "delete"}:
            return found

        def call(first: Any, *more: Any, **options: Any) -> Any:
            self._told(name, first)
            return found(first, *more, **options)

        return call


@pytest.mark.parametrize("step", range(0, 70, 3))
def test_a_move_that_is_killed_anywhere_goes_on(
    tmp_path: Path, pair: list[Bucket], step: int
) -> None:
    """After each stop another process takes over, which knows what the database says."""
    left = [step]

    def told(_: str, __: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    spoiled = [
        replace(bucket, engine=_engine(bucket, told)) if bucket.name in {"main", "far"} else bucket
        for bucket in pair
    ]
    with running_control(tmp_path / "data", spoiled) as control:
        token = control.admin.token
        control.space("vision")
        tree = fill(pair[0], "vision")
        begin(control, "vision", "far")
        left[0] = step
        for _ in range(3):
            try:
                move_due(control.services, yes)
                grace_ends(control)
            except KeyboardInterrupt:
                break
    with running_control(tmp_path / "data", pair) as control:
        again = replace(control, admin=replace(control.admin, token=token))
        for _ in range(3):
            found = held(pair[0].store, "vision"), held(pair[1].store, "vision")
            lies = shown(again, "vision")["bucket"]
            assert found[lies == "far"] == tree, "where it lies it is whole, at any time"
            move_due(control.services, yes)
            grace_ends(control)
        assert shown(again, "vision")["move"] is None
        assert shown(again, "vision")["bucket"] == "far"
    assert held(pair[0].store, "vision") == {}
    assert held(pair[1].store, "vision") == tree


def _engine(bucket: Bucket, told: Callable[[str, str], None]) -> MemoryEngine:
    spoiled = MemoryEngine()
    spoiled.store = Store(bucket.store, told)  # type: ignore[assignment]
    return spoiled


def test_a_copy_that_is_damaged_is_never_switched_to(tmp_path: Path, pair: list[Bucket]) -> None:
    damage = [True]

    class Damaging(MemoryEngine):
        def __init__(self, inner: ObjectStore) -> None:
            super().__init__()
            self.store = Flipping(inner, lambda *_: None)  # type: ignore[assignment]

    class Flipping(Store):
        def put(self, path: str, data: bytes, **options: Any) -> Any:
            flipped = bytes(byte ^ 1 for byte in data) if damage[0] and "datasets" in path else data
            return self._inner.put(path, flipped, **options)

    bad = replace(pair[1], engine=Damaging(pair[1].store))
    with running_control(tmp_path / "data", [pair[0], bad]) as control:
        control.space("vision")
        tree = fill(pair[0], "vision")
        begin(control, "vision", "far")
        for _ in range(3):
            with pytest.raises(Exception, match="is not what was read"):
                move_due(control.services, yes)
        found = shown(control, "vision")
        assert found["bucket"] == "main"
        assert "is not what was read" in found["move"]["error"]
        damage[0] = False
        move_due(control.services, yes)
        assert shown(control, "vision")["bucket"] == "far"
        assert shown(control, "vision")["move"]["error"] is None
    assert held(pair[1].store, "vision") == tree
