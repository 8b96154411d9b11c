from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from klarity_storage.errors import (
    ForbiddenError,
    StorageError,
    UnauthenticatedError,
    UnavailableError,
)
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.tables.commit import Signature
from klarity_storage.tables.delete import delete_rows
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.lasting import lasting
from klarity_storage.tables.location import Locate, TableLocation
from klarity_storage.tables.optimize import optimize_table
from klarity_storage.tables.push import push_table
from klarity_storage.tables.restore import restore_table
from klarity_storage.tables.scan import scan
from klarity_storage.tables.vacuum import vacuum_table
from tables.conftest import Place
from tables.sessions import ending_in
from waiting import until

BY = Signature("user:alice")
SCHEMA = pa.schema([("id", pa.int64())])
SECONDS = 3

KeysFor = Callable[..., S3Credentials]


class Issuer:
    """Finds a table with keys that end within seconds, and counts how often it was asked."""

    def __init__(self, engine: SeaweedEngine, table: Locate, keys_for: KeysFor) -> None:
        self._engine = engine
        self._table = table()
        self._keys_for = keys_for
        self.asked = 0
        self.failure: StorageError | None = None

    def __call__(self) -> TableLocation:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        keys = ending_in(self._engine, self._keys_for(self._table.name, write=True), SECONDS)
        return TableLocation(self._table.name, self._table.uri, keys)


@pytest.fixture
def issuer(engine: SeaweedEngine, on_s3: Place, keys_for: KeysFor) -> Issuer:
    return Issuer(engine, on_s3("runs"), keys_for)


def wait_past(end: datetime | None) -> None:
    assert end is not None
    until(lambda: datetime.now(UTC) > end + timedelta(seconds=1))


def longer_than(end: datetime | None, rows: list[list[int]]) -> pa.RecordBatchReader:
    """Rows that go on to come until the keys of that end are over."""

    def batches() -> Iterator[pa.RecordBatch]:
        for ids in rows:
            yield pa.record_batch({"id": ids}, schema=SCHEMA)
            wait_past(end)

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def end_of(location: TableLocation) -> datetime | None:
    assert location.s3 is not None
    return location.s3.expires_at


def test_the_engine_refuses_keys_that_are_over(
    engine: SeaweedEngine, on_s3: Place, keys_for: KeysFor
) -> None:
    name = on_s3("runs")().name
    keys = ending_in(engine, keys_for(name, write=True), SECONDS)
    push_table(on_s3("runs", keys), {"id": [1]}, by="user:alice")
    wait_past(keys.expires_at)

    with pytest.raises(UnauthenticatedError, match="expired"):
        push_table(on_s3("runs", keys), {"id": [2]}, by="user:alice")


def test_keys_that_nobody_renews_end_a_write(issuer: Issuer) -> None:
    fixed = issuer()

    with pytest.raises(UnauthenticatedError, match="expired"):
        push_table(lambda: fixed, longer_than(end_of(fixed), [[1], [2]]), by="user:alice")


@pytest.mark.parametrize("mode", ["append", "overwrite", "merge"])
def test_a_write_that_outlives_its_keys_finishes(issuer: Issuer, on_s3: Place, mode: str) -> None:
    runs = on_s3("runs")
    push_table(runs, {"id": [0]}, by="user:alice")
    first = issuer()

    push_table(
        issuer,
        longer_than(end_of(first), [[1], [2]]),
        by="user:alice",
        mode=mode,  # type: ignore[arg-type]
        keys=["id"] if mode == "merge" else (),
    )

    found = sorted(pa.table(scan(runs()))["id"].to_pylist())
    assert found == ([1, 2] if mode == "overwrite" else [0, 1, 2])
    assert issuer.asked > 2


def test_every_other_change_renews_its_keys_too(issuer: Issuer, on_s3: Place) -> None:
    runs = on_s3("runs")
    for number in range(3):
        push_table(issuer, {"id": [number]}, by="user:alice")

    assert optimize_table(issuer, [], BY).files_removed == 3
    assert delete_rows(issuer, "id = 1", BY).rows == 1
    assert vacuum_table(issuer, timedelta(0), BY, force=True).files == 4
    restore_table(issuer, 0, None, BY)

    assert pa.table(scan(runs()))["id"].to_pylist() == [0]


def test_a_grant_that_ends_meanwhile_is_told_as_such(issuer: Issuer) -> None:
    push_table(issuer, {"id": [0]}, by="user:alice")
    first = issuer()
    rows = longer_than(end_of(first), [[1], [2]])

    def revoke() -> Iterator[pa.RecordBatch]:
        issuer.failure = ForbiddenError("The grant has ended.")
        yield from rows

    with pytest.raises(ForbiddenError, match="grant has ended"):
        push_table(issuer, pa.RecordBatchReader.from_batches(SCHEMA, revoke()), by="user:alice")

    issuer.failure = None
    assert describe_table(issuer()).rows == 1


def test_keys_that_are_still_good_bridge_a_server_that_is_down(issuer: Issuer) -> None:
    with lasting(issuer) as location:
        assert location.renewed is not None
        issuer.failure = UnavailableError("The server restarts.")
        good = location.renewed.current()
        wait_past(good.expires_at)
        with pytest.raises(UnavailableError, match="restarts"):
            location.renewed.current()
        issuer.failure = None
        assert location.renewed.current() != good


def test_keys_are_given_to_who_knows_the_word_alone(issuer: Issuer) -> None:
    with lasting(issuer) as location:
        assert location.renewed is not None
        options = location.renewed.options()
        url = options["aws_container_credentials_full_uri"]
        file = Path(options["aws_container_authorization_token_file"])

        assert file.stat().st_mode & 0o777 == 0o600
        for word in ("", "guess"):
            request = urllib.request.Request(url, headers={"Authorization": word})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request, timeout=5)
        request = urllib.request.Request(url, headers={"Authorization": file.read_text()})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert b"SecretAccessKey" in answer.read()
        threads = threading.active_count()
        assert location.s3 is not None
        assert location.s3.secret_access_key not in repr(location)

    assert threading.active_count() < threads
    assert not file.exists()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=5)


def test_a_proxy_of_the_system_is_not_asked_for_keys(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    push_table(issuer, {"id": [1]}, by="user:alice")

    assert describe_table(issuer()).rows == 1
