from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import klarity_storage as ks
from buckets_fixture import space_in
from control_fixture import Control, running_control
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.measure import measure
from klarity_storage.server.buckets.usage import FRESH
from klarity_storage.server.db import schema
from klarity_storage.server.engines.seaweed import SeaweedEngine
from pushing_fixture import Push

pytestmark = pytest.mark.real


@pytest.fixture
def real(engine: SeaweedEngine, tmp_path: Path, database_url: str | None) -> Iterator[Control]:
    with running_control(tmp_path / "data", engine, database_url) as running:
        yield running


def told(control: Control, space: str) -> dict[str, Any]:
    found: dict[str, Any] = control.admin.ok("GET", f"/v1/spaces/{space}")
    return found


def limit(control: Control, space: str, **most: int) -> None:
    control.admin.ok("PUT", f"/v1/spaces/{space}/quota", most)


def counted_long_ago(control: Control, space: str) -> None:
    old = {"counted_at": datetime.now(UTC) - 2 * FRESH}
    with control.services.database.write() as connection:
        connection.execute(update(schema.usage).where(schema.usage.c.space == space).values(old))


def main_of(control: Control) -> Bucket:
    return control.services.buckets.main


def test_a_quota_takes_an_administrator(real: Control) -> None:
    space = space_in(real, "main")
    real.grant("user:admin", "reader", space)
    bob = real.user("bob")
    real.grant("user:bob", "owner", space)
    assert bob.fails(403, "PUT", f"/v1/spaces/{space}/quota", {})["code"] == "forbidden"
    for body in ({"bytes": -1}, {"bytes": 2**63}, {"objects": "many"}, {"files": 1}):
        real.admin.fails(400, "PUT", f"/v1/spaces/{space}/quota", body)
    real.admin.fails(404, "PUT", "/v1/spaces/none/quota", {})
    made = real.admin.ok("PUT", f"/v1/spaces/{space}/quota", {"bytes": 5, "objects": 7})
    assert made["quota"] == {"bytes": 5, "objects": 7}
    assert bob.ok("GET", f"/v1/spaces/{space}")["quota"] == {"bytes": 5, "objects": 7}
    assert real.admin.ok("PUT", f"/v1/spaces/{space}/quota", {"objects": 1})["quota"] == {
        "bytes": None,
        "objects": 1,
    }


def test_how_much_lies_in_a_space_is_for_those_who_may_read_it_all(real: Control) -> None:
    space = space_in(real, "main")
    bob = real.user("bob")
    real.grant("user:bob", "reader", f"{space}/datasets/cats")
    assert bob.ok("GET", f"/v1/spaces/{space}")["usage"] is None
    assert told(real, space)["usage"]["bytes"] == 0


def test_commits_and_collections_are_added_up(real: Control, push: Push) -> None:
    space = space_in(real, "main")
    first = push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 9000, "b": b"y" * 500})
    one = told(real, space)["usage"]
    truth = measure(main_of(real).store, f"{space}/")
    log = 1  # of which nobody keeps count but storage
    assert (one["objects"], truth.objects) == (3, 3 + log)
    assert 9500 < one["bytes"] < truth.bytes
    # what storage has already costs nothing: the manifest alone is new
    second = push(real.admin, f"{space}/datasets/cats", {"c": b"x" * 9000, "b": b"y" * 500})
    two = told(real, space)["usage"]
    assert two["objects"] == one["objects"] + 1
    assert two["bytes"] - one["bytes"] < 5000
    for version in (first.version, second.version):
        name = f"/v1/spaces/{space}/datasets/cats"
        real.admin.ok("DELETE", f"{name}/versions/{version}")
    body = {"dry_run": False, "grace": 0}
    real.admin.ok("POST", f"/v1/spaces/{space}/datasets/cats/gc", body)
    assert told(real, space)["usage"]["objects"] == 0
    logged = 5  # two commits, two deletions, a purge
    assert real.services.usage.count(space).objects == logged


def test_a_push_over_the_quota_is_refused_before_it_uploads(real: Control, push: Push) -> None:
    space = space_in(real, "main")
    limit(real, space, bytes=10_000)
    push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 1000})
    before = measure(main_of(real).store, f"{space}/")
    request = {
        "scope": f"{space}/datasets/dogs",
        "operation": "write",
        "version": "0" * 64,
        "adding": {"bytes": 20_000_000, "objects": 3},
    }
    problem = real.admin.fails(403, "POST", "/v1/credentials", request)
    assert problem["code"] == "quota"
    assert problem["detail"].startswith(f"20 MB more do not fit into the space {space}: ")
    assert "of 10 kB are used" in problem["detail"]
    assert f"ks gc {space}" in problem["hint"]
    with pytest.raises(AssertionError, match="quota"):
        push(real.admin, f"{space}/datasets/cats", {"a": b"z" * 9500})
    assert measure(main_of(real).store, f"{space}/") == before
    push(real.admin, f"{space}/datasets/cats", {"a": b"z" * 1500})  # what fits goes up


def test_objects_are_limited_too(real: Control, push: Push) -> None:
    space = space_in(real, "main")
    limit(real, space, objects=5)
    with pytest.raises(AssertionError, match="11 more do not fit into the space"):
        push(real.admin, f"{space}/datasets/cats", {f"{n}": b"%d" % n for n in range(10)})
    push(real.admin, f"{space}/datasets/cats", {"a": b"1", "b": b"2"})


def test_a_client_that_says_too_little_is_refused_at_the_commit(
    real: Control, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pushing_fixture import Pushing

    honest = Pushing.writing_store
    monkeypatch.setattr(
        Pushing, "writing_store", lambda self, name, folder, adding=None: honest(self, name, folder)
    )
    space = space_in(real, "main")
    limit(real, space, bytes=3_000)
    with pytest.raises(AssertionError, match=r'"code":"quota"'):
        push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 5000})
    real.admin.fails(404, "GET", f"/v1/spaces/{space}/datasets/cats/versions")
    # what it left counts, until it is collected
    assert (
        real.admin.fails(
            403,
            "POST",
            "/v1/credentials",
            {"scope": f"{space}/datasets/b", "operation": "write", "version": "1" * 64},
        )["code"]
        == "quota"
    )
    body = {"dry_run": False, "grace": 0}
    real.admin.ok("POST", f"/v1/spaces/{space}/datasets/cats/gc", body)
    counted_long_ago(real, space)
    push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 500})


def test_what_an_earlier_try_has_left_is_not_counted_twice(
    real: Control, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pushing_fixture import Pushing

    space = space_in(real, "main")
    limit(real, space, bytes=10_000)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Pushing, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 6000})
    assert real.services.usage.count(space).bytes > 6000
    counted_long_ago(real, space)
    push(real.admin, f"{space}/datasets/cats", {"a": b"x" * 6000})
    counted = told(real, space)["usage"]["bytes"]
    assert counted <= 10_000
    assert real.services.usage.count(space).bytes <= 10_000


def test_of_two_that_fit_alone_the_later_is_refused(real: Control, push: Push) -> None:
    space = space_in(real, "main")
    limit(real, space, bytes=10_000)

    def attempt(name: str) -> str:
        try:
            push(real.admin, f"{space}/datasets/{name}", {name: name.encode() * 6000})
        except AssertionError as error:
            return "quota" if '"code":"quota"' in str(error) else str(error)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, ["a", "b"])) == ["done", "quota"]


def test_a_full_space_gets_no_keys_to_write_tables_but_to_drop_them(real: Control) -> None:
    space = space_in(real, "main")
    main_of(real).store.put(f"{space}/tables/runs/x", b"x" * 100)
    limit(real, space, bytes=100)
    counted_long_ago(real, space)
    real.services.usage.count(space)
    for operation, status in (("write", 403), ("overwrite", 403), ("drop", 200), ("read", 200)):
        body = {"scope": f"{space}/tables/runs", "operation": operation}
        assert real.admin("POST", "/v1/credentials", body).status_code == status, operation


def test_two_servers_on_one_database_add_up_together(
    engine: SeaweedEngine, real: Control, database_url: str | None, push: Push
) -> None:
    space = space_in(real, "main")
    limit(real, space, bytes=10_000)
    with running_control(real.data, engine, database_url) as other:
        second = type(other)(other.services, other.http, other.data, real.admin)
        push(real.admin, f"{space}/datasets/cats", {"a": b"a" * 4000})
        api = type(real.admin)(other.http, real.admin.token)
        with pytest.raises(AssertionError, match="quota"):
            push(api, f"{space}/datasets/dogs", {"b": b"b" * 7000})
        assert told(second, space)["usage"] == told(real, space)["usage"]


def test_keys_to_write_are_noted_before_they_are_given(real: Control) -> None:
    space = space_in(real, "main")

    def noted() -> datetime | None:
        query = schema.spaces.select().where(schema.spaces.c.key == space)
        with real.services.database.read() as connection:
            found: datetime | None = connection.execute(query).one().written_until
        return found

    body = {"scope": f"{space}/tables/runs", "operation": "read"}
    real.admin.ok("POST", "/v1/credentials", body)
    assert noted() is None
    real.admin.ok("POST", "/v1/credentials", body | {"operation": "write", "duration": 900})
    first = noted()
    assert first is not None
    assert first > datetime.now(UTC) + timedelta(minutes=15)
    real.admin.ok("POST", "/v1/credentials", body | {"operation": "write", "duration": 900})
    assert noted() == first, "in steps"
    real.admin.ok("POST", "/v1/credentials", body | {"operation": "write", "duration": 43_200})
    last = noted()
    assert last is not None
    assert last > first


def test_the_client_is_told_in_one_sentence(
    server: Any, owned: ks.Storage, space: str, tmp_path: Path
) -> None:
    server.admin.admin.set_quota(space, max_bytes=10_000)
    (tmp_path / "large").write_bytes(b"x" * 20_000)
    with pytest.raises(ks.QuotaError, match="20 kB more do not fit into the space"):
        owned.push(f"{space}/datasets/cats", tmp_path / "large")
    assert owned.get_datasets(space) == []
    found = owned.get_space(space)
    assert found.usage is not None
    assert found.usage.objects == 0
    assert found.quota is not None
    assert found.quota.bytes == 10_000
