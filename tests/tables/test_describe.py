from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import obstore
import pyarrow as pa
import pytest

from klarity_storage.errors import (
    IntegrityError,
    InvalidReferenceError,
    TableNotFoundError,
    VersionNotFoundError,
)
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.protocol.tables import Column
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.location import open_store
from klarity_storage.tables.names import list_tables
from klarity_storage.tables.push import push_table
from klarity_storage.tables.snapshot import commit_time, open_snapshot
from tables.conftest import Place


def test_a_table_is_described_from_its_log(place: Place) -> None:
    runs = place("runs")
    nested = pa.array([{"x": [1]}], pa.struct([("x", pa.list_(pa.int32()))]))
    push_table(runs, pa.table({"id": [1], "nested": nested}), by="user:alice", description="Runs.")
    push_table(runs, pa.table({"id": [2], "nested": nested}), by="user:alice")

    info = describe_table(runs())

    assert info.columns == [
        Column(name="id", type="long"),
        Column(name="nested", type="struct<x: array<integer>>"),
    ]
    assert (info.version, info.rows, info.files, info.partitions) == (1, 2, 2, [])
    assert info.bytes > 0
    assert info.description == "Runs."
    assert info.created_at is not None
    assert info.updated_at is not None
    assert info.created_at <= info.updated_at <= dt.datetime.now(dt.UTC)


def test_an_older_version_is_described_as_it_was(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1]}, by="user:alice")
    push_table(runs, {"id": [2]}, by="user:alice")

    info = describe_table(runs(), 0)

    assert (info.version, info.rows) == (0, 1)
    assert info.updated_at == commit_time(open_store(runs()), 0)


def test_what_is_not_there_is_told(place: Place) -> None:
    runs = place("runs")
    with pytest.raises(TableNotFoundError, match="There is no table"):
        describe_table(runs())

    push_table(runs, {"id": [1]}, by="user:alice")
    for version in (1, 99, -1):
        with pytest.raises(VersionNotFoundError, match=f"no version {version}"):
            describe_table(runs(), version)


def test_a_table_that_the_keys_do_not_reach_looks_absent(
    on_s3: Place, keys_for: Callable[..., S3Credentials]
) -> None:
    push_table(on_s3("runs"), {"id": [1]}, by="user:alice")
    others = keys_for(on_s3("others")().name, write=True)

    with pytest.raises(TableNotFoundError) as unseen:
        describe_table(on_s3("runs", others)())
    with pytest.raises(TableNotFoundError) as absent:
        describe_table(on_s3("gone", keys_for(on_s3("gone")().name, write=False))())

    assert str(unseen.value).replace("runs", "gone") == str(absent.value)


def test_a_damaged_log_is_told(on_disk: Place) -> None:
    runs = on_disk("runs")
    push_table(runs, {"id": [1]}, by="user:alice")
    obstore.put(open_store(runs()), "_delta_log/00000000000000000001.json", b"not JSON")

    with pytest.raises(IntegrityError, match="cannot be read"):
        describe_table(runs())


def test_a_time_finds_the_version_of_that_time(place: Place) -> None:
    runs = place("runs")
    for number in range(3):
        push_table(runs, {"id": [number]}, by="user:alice")
    store = open_store(runs())
    times = [commit_time(store, version) for version in range(3)]
    tick = dt.timedelta(milliseconds=1)

    for version, at in enumerate(times):
        assert at is not None
        assert open_snapshot(runs(), timestamp=at).version() == version
    assert times[0] is not None
    with pytest.raises(VersionNotFoundError, match="begins later"):
        open_snapshot(runs(), timestamp=times[0] - tick)
    naive = (times[0] - tick).replace(tzinfo=None)
    with pytest.raises(VersionNotFoundError, match="begins later"):
        open_snapshot(runs(), timestamp=naive)
    with pytest.raises(InvalidReferenceError, match="not both"):
        open_snapshot(runs(), 1, dt.datetime.now(dt.UTC))


def test_a_cleaned_up_log_entry_is_older_than_all_others(place: Place) -> None:
    runs = place("runs")
    for number in range(3):
        push_table(runs, {"id": [number]}, by="user:alice")
    open_snapshot(runs()).create_checkpoint()
    store = open_store(runs())
    first = commit_time(store, 0)
    last = commit_time(store, 2)
    assert first is not None
    assert last is not None
    obstore.delete(store, [f"_delta_log/{version:020d}.json" for version in range(2)])

    assert open_snapshot(runs(), timestamp=last).version() == 2
    with pytest.raises(VersionNotFoundError, match="begins later"):
        open_snapshot(runs(), timestamp=first - dt.timedelta(seconds=1))
    with pytest.raises(VersionNotFoundError, match="no longer reaches back"):
        open_snapshot(runs(), 0)


def test_tables_are_the_folders_with_a_log(on_s3: Place, engine: SeaweedEngine, space: str) -> None:
    for table in ("runs", "runs2", "a.b"):
        push_table(on_s3(table), {"id": [1]}, by="user:alice")
    stray = Name(space, Kind.TABLES, "stray")
    obstore.put(engine.store, f"{stray.prefix}notes.txt", b"")
    obstore.put(engine.store, f"{space}/tables/Not A Name/_delta_log/{0:020d}.json", b"")

    names = list_tables(engine.store, space)

    assert [str(name) for name in names] == [
        f"{space}/tables/{table}" for table in ("a.b", "runs", "runs2")
    ]
    assert list_tables(engine.store, f"{space}0") == []


def test_a_table_whose_first_log_entry_is_gone_is_listed(
    on_s3: Place, engine: SeaweedEngine
) -> None:
    runs = on_s3("runs")
    push_table(runs, {"id": [1]}, by="user:alice")
    push_table(runs, {"id": [2]}, by="user:alice")
    obstore.delete(open_store(runs()), f"_delta_log/{0:020d}.json")

    assert list_tables(engine.store, runs().name.space) == [runs().name]
