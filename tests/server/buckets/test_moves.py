from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from buckets_fixture import space_in
from control_fixture import Control, open_store, running_control
from klarity_storage.layout import Kind, Name
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.backup.save import back_up
from klarity_storage.server.buckets import copy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db import schema
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.services import Services
from klarity_storage.server.upkeep.move import move_due
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from moves_fixture import begin, fill, grace_ends, held, keys_end, shown, yes
from pushing_fixture import Push


@pytest.mark.real
def test_everything_moves_to_another_engine_and_nothing_stays(  # noqa: PLR0915 - one long way
    places: Control, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "PART", 5 * 1024 * 1024)
    space = space_in(places, "main")
    name = f"{space}/datasets/cats"
    first = push(places.admin, name, {"a/b.txt": b"one", "c": b"c" * 12_000_000})
    second = push(places.admin, name, {"a/b.txt": b"two"})
    places.admin.ok("PUT", f"/v1/spaces/{name}/tags/prod", {"version": first.version})
    table = Name(space, Kind.TABLES, "runs")
    main, far = (places.services.buckets.named(n) for n in ("main", "far"))

    def put(ids: list[int]) -> None:
        bucket = places.services.buckets.of(space)
        keys = bucket.engine.credentials
        location = TableLocation(table, f"s3://{keys.bucket}/{table}", keys)
        push_table(lambda: location, pa.table({"id": ids}), by="user:admin")

    put([1, 2])
    main.store.put(f"{space}/raw_binary/runs/1/scan.dcm", b"scan")
    before = held(main.store, space)
    begun = begin(places, space, "far")
    assert (begun["bucket"], begun["move"]["phase"]) == ("main", "copying")
    move_due(places.services, yes)
    waiting = shown(places, space)
    assert waiting["bucket"] == "main", "keys to write are out"
    assert waiting["move"]["waits_until"] is not None
    assert waiting["move"]["bytes"] == sum(map(len, before.values()))
    assert len(places.admin.ok("GET", f"/v1/spaces/{name}/versions")["items"]) == 2, "it is read"
    keys_end(places)
    move_due(places.services, yes)
    moved = shown(places, space)
    assert (moved["bucket"], moved["move"]["phase"]) == ("far", "clearing")
    assert held(far.store, space) == before == held(main.store, space)
    move_due(places.services, yes)
    assert held(main.store, space) == before, "readers have time to end"
    grace_ends(places)
    move_due(places.services, yes)
    assert held(main.store, space) == {}
    assert shown(places, space)["move"] is None
    info = places.admin.ok("GET", f"/v1/spaces/{name}/versions/prod")
    assert info["version"] == first.version
    store = open_store(places.admin, name)
    assert bytes(store.get(f"{name}/{second.version}/a/b.txt").bytes()) == b"two"
    put([3])
    assert places.admin.ok("GET", f"/v1/spaces/{table}")["rows"] == 3
    third = push(places.admin, name, {"a/b.txt": b"three"})
    assert f"{name}/{third.version}/a/b.txt" in held(far.store, space)
    lines = [line for line in places.audit() if line["operation"] == "start_move"]
    assert f"move {space} to far" in [line["about"] for line in lines]


def test_a_move_is_cancelled_and_leaves_nothing(control: Control, pair: list[Bucket]) -> None:
    control.space("vision")
    tree = fill(pair[0], "vision")
    control.services.buckets.giving_keys("vision", timedelta(hours=1), write=True)
    begin(control, "vision", "far")
    move_due(control.services, yes)
    assert held(pair[1].store, "vision") == tree
    control.admin.ok("DELETE", "/v1/spaces/vision/move")
    control.services.buckets.giving_keys("vision", timedelta(hours=1), write=True)
    move_due(control.services, yes)
    assert held(pair[1].store, "vision") == {}
    assert held(pair[0].store, "vision") == tree
    assert shown(control, "vision")["move"] is None
    problem = control.admin.fails(409, "DELETE", "/v1/spaces/vision/move")
    assert problem["detail"] == "There is no move of vision to cancel."
    keys_end(control)
    begin(control, "vision", "far")
    move_due(control.services, yes)
    control.admin.fails(409, "DELETE", "/v1/spaces/vision/move")
    assert shown(control, "vision")["bucket"] == "far"


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("main", "main", "lies in the bucket main already"),
        ("main", "brief", "reference keeps its history, which would expire there"),
        ("site", "brief", "web keeps its history, which would expire there"),
        ("month", "brief", "it would expire after 3 days there"),
        ("main", "site", "anyone could read it there, without a token too"),
        ("hidden", "site", "anyone could read it there"),
        ("brief", "site", "anyone could read it there"),
    ],
)
def test_a_move_that_breaks_a_promise_is_refused_with_the_reason(
    control: Control, source: str, target: str, reason: str
) -> None:
    space = space_in(control, source)
    problem = control.admin.fails(409, "POST", f"/v1/spaces/{space}/move", {"bucket": target})
    assert reason in problem["detail"]
    assert shown(control, space)["move"] is None


@pytest.mark.parametrize(
    ("source", "target", "strategy"),
    [
        ("brief", "month", "scratch"),
        ("brief", "main", "reference"),
        ("site", "main", "reference"),
        ("site", "hidden", "web"),
        ("main", "hidden", "web"),
    ],
)
def test_a_space_takes_on_the_strategy_of_its_new_bucket(
    control: Control, source: str, target: str, strategy: str
) -> None:
    space = space_in(control, source)
    fill(control.services.buckets.named(source), space)
    begin(control, space, target)
    move_due(control.services, yes)
    found = shown(control, space)
    assert (found["bucket"], found["strategy"], found["public"]) == (target, strategy, False)
    principals = {
        grant["principal"]
        for grant in control.admin.ok("GET", f"/v1/grants?space={space}")["items"]
    }
    assert "public" not in principals


def test_it_takes_an_administrator_and_an_empty_place(control: Control, pair: list[Bucket]) -> None:
    control.space("vision")
    bob = control.user("bob")
    control.grant("user:bob", "owner", "vision")
    bob.fails(403, "POST", "/v1/spaces/vision/move", {"bucket": "far"})
    bob.fails(403, "DELETE", "/v1/spaces/vision/move")
    control.admin.fails(404, "POST", "/v1/spaces/none/move", {"bucket": "far"})
    control.admin.fails(400, "POST", "/v1/spaces/vision/move", {"bucket": "none"})
    pair[1].store.put("vision/datasets/x/y", b"somebody else's")
    problem = control.admin.fails(409, "POST", "/v1/spaces/vision/move", {"bucket": "far"})
    assert "has objects of a space vision already" in problem["detail"]
    pair[1].store.delete("vision/datasets/x/y")
    begin(control, "vision", "far")
    problem = control.admin.fails(409, "POST", "/v1/spaces/vision/move", {"bucket": "far"})
    assert problem["detail"] == "The space vision is being moved already."


def test_scratch_does_not_expire_while_it_moves(control: Control) -> None:
    from klarity_storage.server.upkeep import expire

    space = space_in(control, "brief")
    begin(control, space, "month")
    services: Services = control.services
    expire.expire_due(services, yes)
    with services.database.read() as connection:
        query = schema.spaces.select().where(schema.spaces.c.key == space)
        assert connection.execute(query).one().swept_at is None


def test_a_move_of_a_backup_is_not_gone_on_with(
    tmp_path: Path, control: Control, pair: list[Bucket]
) -> None:
    """It may be over since, and its source empty: all that lies in its target would go."""
    control.space("vision")
    tree = fill(pair[0], "vision")
    begin(control, "vision", "far")
    back_up(control.services.database, tmp_path / "backup")
    move_due(control.services, yes)
    grace_ends(control)
    move_due(control.services, yes)
    (tmp_path / "new").mkdir()
    database = open_database(tmp_path / "new")
    restore(database, tmp_path / "backup")
    database.close()
    with running_control(tmp_path / "new", pair) as restored:
        move_due(restored.services, yes)
        assert restored.services.moves.all() == []
    assert held(pair[1].store, "vision") == tree
