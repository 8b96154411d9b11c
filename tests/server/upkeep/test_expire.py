from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import update

from buckets_fixture import space_in
from control_fixture import Control
from klarity_storage.layout import Kind, Name
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.db import schema
from klarity_storage.server.upkeep.expire import expire_due, expire_space
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from klarity_storage.versions import commit
from pushing_fixture import Push

pytestmark = pytest.mark.real

NOW = datetime.now(UTC)


def yes() -> bool:
    return True


@pytest.fixture
def trials(places: Control) -> Bucket:
    return places.services.buckets.named("trials")


@pytest.fixture
def past(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """While it lasts, commits are of forty days ago."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(days=40)

    with monkeypatch.context() as patched:
        patched.setattr(commit, "datetime", Clock)
        yield patched


def lines(control: Control, target: str) -> list[dict[str, Any]]:
    expired = [line for line in control.audit() if line["operation"] == "expire"]
    return [line for line in expired if line["target"] == target]


def sweep(control: Control, bucket: Bucket, space: str, now: datetime = NOW) -> None:
    assert expire_space(control.services, bucket, space, yes, now)


def test_what_was_last_written_long_ago_expires(
    places: Control, trials: Bucket, push: Push, past: pytest.MonkeyPatch
) -> None:
    space = space_in(places, "trials")
    name = f"{space}/datasets/cats"
    old = push(places.admin, name, {"a": b"old"})
    again = push(places.admin, name, {"b": b"again"})
    places.admin.ok("PUT", f"/v1/spaces/{name}/tags/prod", {"version": old.version})
    past.undo()
    young = push(places.admin, name, {"c": b"young"})
    push(places.admin, name, {"b": b"again"})  # what was pushed again lives on
    sweep(places, trials, space)
    left = {v["version"] for v in places.admin.ok("GET", f"/v1/spaces/{name}/versions")["items"]}
    assert left == {young.version, again.version}
    [line] = lines(places, name)
    assert (line["principal"], line["allowed"]) == ("server", True)
    assert line["via"] == "buckets.trials.days"
    assert old.version in line["about"]
    for selector in (old.version, old.version[:12], "prod"):
        problem = places.admin.fails(404, "GET", f"/v1/spaces/{name}/versions/{selector}")
        assert problem["code"] == "version_not_found"
        assert f"{name}@{old.version[:12]} has expired on " in problem["detail"]
        assert "kept for 30 days after it was written" in problem["detail"]
    problem = places.admin.fails(404, "GET", f"/v1/spaces/{name}/versions/{'0' * 64}")
    assert "expired" not in problem["detail"]


def test_bytes_go_as_garbage_does_and_the_reason_stays(
    places: Control, trials: Bucket, push: Push, past: pytest.MonkeyPatch
) -> None:
    space = space_in(places, "trials")
    name = f"{space}/models/net"
    old = push(places.admin, name, {"a": b"old" * 1000})
    past.undo()
    sweep(places, trials, space)
    assert len(lines(places, name)) == 1
    later = NOW + timedelta(days=2)

    def stored() -> list[str]:
        found = trials.store.list(f"{name}/{old.version}/")
        return [meta["path"] for page in found for meta in page]

    assert stored(), "the grace of a day"
    problem = places.admin.fails(404, "GET", f"/v1/spaces/{name}/versions")
    assert "has expired on" in problem["detail"]
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr("klarity_storage.server.upkeep.expire.GRACE", timedelta(0))
        sweep(places, trials, space, later)
    assert stored() == []
    assert places.admin.ok("GET", f"/v1/spaces/{space}")["usage"]["bytes"] == 0
    assert "collect 2 objects" in [line["about"] for line in lines(places, name)]
    problem = places.admin.fails(404, "GET", f"/v1/spaces/{name}/versions/latest")
    assert "has expired on" in problem["detail"]
    pushed = push(places.admin, name, {"a": b"old" * 1000})
    assert pushed.version == old.version, "it comes back when it is pushed again"


def test_a_table_expires_whole_and_says_so(places: Control, trials: Bucket) -> None:
    space = space_in(places, "trials")
    table = Name(space, Kind.TABLES, "runs")
    keys = trials.engine.credentials

    def put() -> None:
        location = TableLocation(table, f"s3://{keys.bucket}/{table}", keys)
        push_table(lambda: location, pa.table({"id": [1]}), by="user:admin")

    put()
    trials.store.put(f"{space}/raw_binary/runs/1/scan", b"scan")
    sweep(places, trials, space, NOW + timedelta(days=29))
    assert places.admin.ok("GET", f"/v1/spaces/{table}")["rows"] == 1
    assert lines(places, str(table)) == []
    sweep(places, trials, space, NOW + timedelta(days=31))
    assert [meta for page in trials.store.list(f"{space}/") for meta in page] == []
    assert [line["about"][:14] for line in lines(places, str(table))] == ["drop the table"]
    told = f"The table {table} has expired on "
    asked = [
        places.admin.fails(404, "GET", f"/v1/spaces/{table}"),
        places.admin.fails(404, "POST", "/v1/credentials", {"scope": str(table)}),
        places.admin.fails(404, "POST", f"/v1/spaces/{table}/query", {}),
        places.admin.fails(404, "POST", "/v1/sql", {"query": f"select * from {space}.runs"}),
    ]
    for problem in asked:
        assert problem["code"] == "table_not_found"
        assert problem["detail"].startswith(told)
    absent = places.admin.fails(404, "GET", f"/v1/spaces/{space}/tables/other")
    assert "expired" not in absent["detail"]
    stranger = places.user("bob").fails(404, "GET", f"/v1/spaces/{table}")
    assert "expired" not in stranger["detail"], "who may not see it is not told that it was there"
    body = {"scope": str(table), "operation": "write"}
    places.admin.ok("POST", "/v1/credentials", body)
    put()
    assert places.admin.ok("GET", f"/v1/spaces/{table}")["rows"] == 1


def test_reference_keeps_what_scratch_lets_go_of(
    places: Control, push: Push, past: pytest.MonkeyPatch
) -> None:
    kept, brief = space_in(places, "main"), space_in(places, "trials")
    for space in (kept, brief):
        push(places.admin, f"{space}/datasets/cats", {space: space.encode()})
    past.undo()
    expire_due(places.services, yes)
    places.admin.ok("GET", f"/v1/spaces/{kept}/datasets/cats/versions/latest")
    places.admin.fails(404, "GET", f"/v1/spaces/{brief}/datasets/cats/versions/latest")


def test_a_space_is_looked_through_once_an_hour_and_gone_on_with_after_a_stop(
    places: Control, push: Push, past: pytest.MonkeyPatch
) -> None:
    space = space_in(places, "trials")
    push(places.admin, f"{space}/datasets/cats", {"a": space.encode()})
    past.undo()
    expire_due(places.services, lambda: False)
    places.admin.ok("GET", f"/v1/spaces/{space}/datasets/cats/versions/latest")
    expire_due(places.services, yes)
    places.admin.fails(404, "GET", f"/v1/spaces/{space}/datasets/cats/versions/latest")
    with places.services.database.write() as connection:
        mine = update(schema.spaces).where(schema.spaces.c.key == space)
        connection.execute(mine.values(swept_at=datetime.now(UTC)))
    looked = list(places.services.buckets.named("trials").store.list(f"{space}/"))
    expire_due(places.services, lambda: pytest.fail("it was looked through just now"))
    assert list(places.services.buckets.named("trials").store.list(f"{space}/")) == looked


def test_how_long_scratch_keeps_is_shown(places: Control, tmp_path: Path) -> None:
    space = space_in(places, "trials")
    found = places.admin.ok("GET", f"/v1/spaces/{space}")
    assert (found["days"], found["public"]) == (30, False)
