"""What follows from the buckets of a server, in them and in its database."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore

from conftest import PlantTree
from control_fixture import MemoryEngine, running_control
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.errors import ConfigurationError
from klarity_storage.layout import Kind, Name
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.buckets.measure import measure
from klarity_storage.server.db.migrate import check_current, connect_database
from klarity_storage.server.reindex import Report, reindex
from klarity_storage.server.settings.sections import DatabaseSettings
from klarity_storage.versions import push as pushing
from klarity_storage.versions import reindex as versions


@pytest.fixture
def places(tmp_path: Path, plant: PlantTree, monkeypatch: pytest.MonkeyPatch) -> list[Bucket]:
    """Two buckets with a space in each, and what is not ours in the first."""
    monkeypatch.setattr(pushing, "LISTED_FROM", 1)
    monkeypatch.setattr(versions, "LISTED_FROM", 1)
    buckets = []
    for name, space in (("main", "vision"), ("far", "audio")):
        engine = MemoryEngine()
        engine.store = LocalStore(tmp_path / name, mkdir=True)
        storage = Storage(LocalBackend(engine.store), "the test")
        for number in range(2):
            tree = plant({"a": b"%d" % number, "b": b"b"}, f"{space}-{number}")
            storage.push(f"{space}/datasets/cats", tree)
        buckets.append(Bucket(name, engine))
    buckets[0].store.put("backups/2026/file", b"somebody else's")
    buckets[0].store.put("audio/datasets/dogs/x/y", b"left by a move")
    return buckets


def lists(buckets: list[Bucket]) -> set[str]:
    return {
        meta["path"]
        for bucket in buckets
        for page in bucket.store.list()
        for meta in page
        if "/added-" in meta["path"]
    }


def found(report: Report) -> set[tuple[str, str, str]]:
    return {(item.name, item.what, item.problem) for item in report.items}


def test_a_new_database_learns_the_spaces_of_all_buckets(
    tmp_path: Path, places: list[Bucket], database_url: str | None
) -> None:
    data = tmp_path / "data"
    with running_control(data, places, database_url) as control:
        services = control.services
        control.admin.ok("POST", "/v1/spaces", {"key": "audio", "bucket": "far"})
        report = reindex(services.database, services.buckets)
        assert found(report) == {("vision", "space", "missing")}
        assert (report.spaces, report.names, report.made, report.lost) == (2, 2, 1, 0)
        control.admin.fails(404, "GET", "/v1/spaces/vision")  # it was a dry run
        done = reindex(services.database, services.buckets, dry_run=False)
        assert found(done) == found(report)
        space = control.admin.ok("GET", "/v1/spaces/vision")
        for bucket, key in zip(places, ("vision", "audio"), strict=True):
            usage, _ = services.usage.read(key)
            assert (usage.bytes, usage.objects) == measure(bucket.store, f"{key}/")
        assert (space["bucket"], space["strategy"]) == ("main", "reference")
        listed = control.admin.ok("GET", "/v1/spaces/vision/datasets/cats/versions")
        assert len(listed["items"]) == 2
        alice = control.user("alice")
        alice.fails(404, "GET", "/v1/spaces/vision")
        control.grant("user:alice", "reader", "vision")
        assert alice.ok("GET", "/v1/spaces/vision")["key"] == "vision"
        assert reindex(services.database, services.buckets).items == []


def test_every_bucket_is_looked_through(tmp_path: Path, places: list[Bucket]) -> None:
    before = lists(places)
    assert len(before) == 2
    with running_control(tmp_path / "data", places) as control:
        services = control.services
        for space, place in (("vision", "main"), ("audio", "far")):
            control.admin.ok("POST", "/v1/spaces", {"key": space, "bucket": place})
        for bucket in places:
            for key in lists([bucket]):
                bucket.store.delete(key)
        name = Name("audio", Kind.DATASETS, "cats")
        places[1].store.delete(name.log_key(0))
        report = reindex(services.database, services.buckets, dry_run=False)
        assert found(report) == {
            ("vision/datasets/cats", "additions", "missing"),
            ("audio/datasets/cats", "log", "damaged"),
        }
        assert (report.made, report.lost) == (1, 1)
    assert lists(places) == {key for key in before if key.startswith("vision/")}


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    database = connect_database(tmp_path, DatabaseSettings())
    with pytest.raises(ConfigurationError, match="of revision None"):
        check_current(database)
    database.close()
