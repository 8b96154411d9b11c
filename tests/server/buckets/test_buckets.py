from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import text

from buckets_fixture import space_in
from control_fixture import Api, Control, MemoryEngine, open_store, running_control
from klarity_storage.errors import ConfigurationError, SpaceNotFoundError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db.sqlite import sqlite_database
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from pushing_fixture import Push

pytestmark = pytest.mark.real


def put(control: Control, space: str, table: str, rows: pa.Table) -> None:
    name = Name(space, Kind.TABLES, table)
    keys = control.services.buckets.of(space).engine.credentials
    location = TableLocation(name, f"s3://{keys.bucket}/{name}", keys)
    push_table(lambda: location, rows, by="user:admin")


def keys_in(bucket: Bucket, space: str) -> int:
    return sum(len(page) for page in bucket.store.list(f"{space}/"))


def test_a_space_lies_in_the_bucket_that_it_was_made_in(places: Control, push: Push) -> None:
    buckets = {bucket.name: bucket for bucket in places.services.buckets}
    for name, bucket in buckets.items():
        space = space_in(places, name)
        made = places.admin.ok("GET", f"/v1/spaces/{space}")
        assert (made["bucket"], made["strategy"]) == (name, bucket.strategy)
        pushed = push(places.admin, f"{space}/datasets/cats", {f"{name}.txt": name.encode()})
        held = {other: keys_in(buckets[other], space) for other in buckets}
        assert {other for other, count in held.items() if count} == {name}
        store = open_store(places.admin, f"{space}/datasets/cats")
        assert store.config["bucket"] == bucket.engine.credentials.bucket
        key = f"{space}/datasets/cats/{pushed.version}/{name}.txt"
        assert bytes(store.get(key).bytes()) == name.encode()
        listed = places.admin.ok("GET", f"/v1/spaces/{space}/datasets")["items"]
        assert [item["name"] for item in listed] == ["cats"]


def test_without_a_word_it_is_the_main_one(places: Control) -> None:
    made = places.admin.ok("POST", "/v1/spaces", {"key": "plain"})
    assert (made["bucket"], made["strategy"]) == ("main", "reference")


def test_a_bucket_that_the_server_does_not_have(places: Control) -> None:
    problem = places.admin.fails(400, "POST", "/v1/spaces", {"key": "x", "bucket": "none"})
    assert problem["detail"] == "The server has no bucket 'none'."
    assert problem["hint"] == "It has: main, trials, site, far."
    places.admin.fails(404, "GET", "/v1/spaces/x")


def test_one_query_joins_tables_of_several_buckets_and_engines(places: Control) -> None:
    spaces = [space_in(places, name) for name in ("main", "trials", "far")]
    for at, space in enumerate(spaces):
        put(places, space, "runs", pa.table({"id": [1, 2, 3], f"in_{at}": [at, at + 1, at + 2]}))
    bob = places.user("bob")
    for space in spaces:
        places.grant("user:bob", "reader", f"{space}/tables/runs")
    one, two, three = spaces
    joined = f"""select a.id, in_0, in_1, in_2 from {one}.runs a join {two}.runs b on a.id = b.id
                 join {three}.runs c on a.id = c.id where a.id > 1 order by 1"""
    assert _ask(bob, joined).to_pylist() == [
        {"id": 2, "in_0": 1, "in_1": 2, "in_2": 3},
        {"id": 3, "in_0": 2, "in_1": 3, "in_2": 4},
    ]
    assert places.admin.ok("GET", f"/v1/spaces/{three}/tables/runs")["rows"] == 3


def _ask(api: Api, sql: str) -> pa.Table:
    answer = api("POST", "/v1/sql", {"query": sql})
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def test_lineage_is_followed_across_buckets(places: Control, push: Push) -> None:
    source, made = space_in(places, "far"), space_in(places, "trials")
    first = push(places.admin, f"{source}/datasets/raw", {"raw.txt": b"raw"})
    second = push(
        places.admin,
        f"{made}/models/net",
        {"net.txt": b"net"},
        [f"{source}/datasets/raw@{first.version}"],
    )
    found = places.admin.ok(
        "GET", f"/v1/spaces/{source}/datasets/raw/versions/{first.version}/lineage"
    )
    assert found["made_into"] == [f"{made}/models/net@{second.version}"]


def test_readiness_names_each_bucket(tmp_path: Path, memory_engine: MemoryEngine) -> None:
    other = MemoryEngine()
    buckets = [Bucket("main", memory_engine), Bucket("trials", other)]
    with running_control(tmp_path, buckets) as control:
        assert control.stranger.ok("GET", "/readyz")["parts"].keys() == {
            "database",
            "engine",
            "bucket trials",
        }
        other.fault = "It has gone."
        answer = control.stranger("GET", "/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["bucket trials"] == "It has gone."


def test_spaces_from_before_lie_in_the_main_bucket(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from klarity_storage.server.db import migrate

    database = sqlite_database(tmp_path / migrate.FILE)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO spaces VALUES ('old', '', '2026-01-01 00:00:00', 'user:admin')")
        )
    database.close()
    with running_control(tmp_path, MemoryEngine()) as control:
        found = control.admin.ok("GET", "/v1/spaces/old")
    assert (found["bucket"], found["strategy"]) == ("main", "reference")
    assert found["usage"] == {"bytes": 0, "objects": 0, "counted_at": None}


def test_a_server_does_not_start_without_the_bucket_of_a_space(
    tmp_path: Path, memory_engine: MemoryEngine
) -> None:
    main = Bucket("main", memory_engine)
    trials = Bucket("trials", MemoryEngine(), Strategy.SCRATCH, timedelta(days=1))
    with running_control(tmp_path, [main, trials]) as control:
        control.admin.ok("POST", "/v1/spaces", {"key": "brief", "bucket": "trials"})
        with pytest.raises(SpaceNotFoundError):
            control.services.buckets.of("none")
    with (
        pytest.raises(ConfigurationError, match="brief lies in the bucket 'trials'"),
        running_control(tmp_path, [main]),
    ):
        raise AssertionError
    changed = replace(trials, strategy=Strategy.REFERENCE)
    with (
        pytest.raises(ConfigurationError, match="'trials' is reference now, and the space brief"),
        running_control(tmp_path, [main, changed]),
    ):
        raise AssertionError
    with running_control(tmp_path, [main, trials]):
        pass  # as it was, it starts
