from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from obstore.store import ObjectStore
from sqlalchemy import update

from buckets_fixture import space_in
from control_fixture import Control, MemoryEngine, open_store, running_control
from klarity_storage.errors import ConflictError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.backup.restore import restore
from klarity_storage.server.backup.save import back_up
from klarity_storage.server.buckets import copy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.buckets import Buckets
from klarity_storage.server.db import schema
from klarity_storage.server.db.migrate import open_database
from klarity_storage.server.services import Services
from klarity_storage.server.upkeep.move import move_due
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from pushing_fixture import Push


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


# --- what follows needs no S3: stores in memory have the same manners


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
