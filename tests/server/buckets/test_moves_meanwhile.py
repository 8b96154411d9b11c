"""What others do while a space moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from control_fixture import Control
from klarity_storage.errors import ConflictError
from klarity_storage.server.buckets import copy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.upkeep.move import move_due
from moves_fixture import begin, fill, held, keys_end, shown, yes


def test_nothing_is_written_while_it_moves(control: Control, pair: list[Bucket]) -> None:
    control.space("vision")
    fill(pair[0], "vision")
    begin(control, "vision", "far")
    name = "/v1/spaces/vision/datasets/a"
    commit = {"version": "0" * 64, "manifest": f"manifest-{'0' * 64}.parquet", "write_id": "w"}
    tried = [
        control.admin.fails(409, "POST", f"{name}/versions", commit),
        control.admin.fails(409, "PUT", f"{name}/tags/prod", {"version": "latest"}),
        control.admin.fails(409, "DELETE", f"{name}/tags/prod"),
        control.admin.fails(409, "DELETE", f"{name}/versions/{'0' * 64}"),
        control.admin.fails(409, "POST", f"{name}/gc", {"dry_run": False}),
        control.admin.fails(
            409, "POST", "/v1/spaces/vision/tables/t/raw_binaries/delete", {"rows": ["1"]}
        ),
        *(
            control.admin.fails(
                409, "POST", "/v1/credentials", {"scope": "vision/tables/t", "operation": operation}
            )
            for operation in ("write", "overwrite", "vacuum", "drop")
        ),
    ]
    for problem in tried:
        assert problem["detail"].startswith("The space vision is being moved to another bucket")
        assert problem["hint"] == "Wait for it: ks space show vision"


def test_what_is_written_at_the_same_time_comes_along_or_is_told(
    control: Control, pair: list[Bucket]
) -> None:
    control.space("vision")
    services = control.services
    with services.buckets.writing("vision") as bucket:
        begin(control, "vision", "far")
        bucket.store.put("vision/datasets/a/x", b"x")  # before the last pass: it is seen
    with pytest.raises(ConflictError, match="is being moved"), services.buckets.writing("vision"):
        raise AssertionError
    move_due(services, yes)
    assert held(pair[1].store, "vision") == {"vision/datasets/a/x": b"x"}
    services.moves.end("vision", services.moves.all()[0].phase)

    def slow() -> None:
        with services.buckets.writing("vision") as bucket:
            pair[0].store.delete([*held(pair[0].store, "vision")])
            begin(control, "vision", "main")
            move_due(services, yes)
            bucket.store.put("vision/datasets/a/y", b"too late")

    with pytest.raises(ConflictError, match="was moved to another bucket at the same time"):
        slow()


def test_keys_that_are_noted_before_a_move_hold_it_up(control: Control) -> None:
    control.space("vision")
    services = control.services
    hour = timedelta(hours=1)
    services.buckets.giving_keys("vision", hour, write=True)
    begin(control, "vision", "far")
    with pytest.raises(ConflictError):
        services.buckets.giving_keys("vision", hour, write=True)
    assert services.buckets.giving_keys("vision", 12 * hour, write=False).name == "main"
    move_due(services, yes)
    assert shown(control, "vision")["move"]["phase"] == "copying"
    keys_end(control)
    services.buckets.giving_keys("vision", 12 * hour, write=False)
    move_due(services, yes)
    found = shown(control, "vision")["move"]
    assert found["phase"] == "clearing"
    until = datetime.fromisoformat(found["waits_until"])
    assert until > datetime.now(UTC) + 11 * hour, "the old objects stay for those who read them"


def test_readers_keys_may_be_to_where_a_space_was_a_second_ago(
    control: Control, pair: list[Bucket]
) -> None:
    control.space("vision")
    hour, now = timedelta(hours=1), [0.0]
    other = Buckets(control.services.database, pair, clock=lambda: now[0])
    assert other.giving_keys("vision", hour, write=False).name == "main"
    assert other.giving_keys("vision", hour, write=False).name == "main"
    begin(control, "vision", "far")
    move_due(control.services, yes)

    assert other.giving_keys("vision", hour, write=False).name == "main"
    until = datetime.fromisoformat(shown(control, "vision")["move"]["waits_until"])
    assert until > datetime.now(UTC) + hour, "what they read stays for as long"
    now[0] += 1.1
    assert other.giving_keys("vision", hour, write=False).name == "far"
    assert other.giving_keys("vision", hour, write=True).name == "far"


def test_a_server_that_fell_behind_deletes_nothing_that_came_since(
    control: Control, pair: list[Bucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    control.space("vision")
    fill(pair[0], "vision")
    begin(control, "vision", "far")
    pair[1].store.put("vision/datasets/a/left-over", b"of an earlier pass")
    slow: list[bool] = []
    differ = copy.Copier.differ

    def behind(copier: copy.Copier, space: str) -> Iterator[tuple[list[str], list[str]]]:
        if slow:
            yield from differ(copier, space)
            return
        slow.append(True)
        move_due(control.services, yes)  # another server does it all meanwhile
        assert shown(control, "vision")["bucket"] == "far"
        pair[1].store.put("vision/datasets/a/new", b"written since")
        yield from differ(copier, space)

    monkeypatch.setattr(copy.Copier, "differ", behind)
    move_due(control.services, yes)
    found = held(pair[1].store, "vision")
    assert found["vision/datasets/a/new"] == b"written since"
    assert "vision/datasets/a/left-over" not in found
