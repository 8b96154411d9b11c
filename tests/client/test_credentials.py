"""The keys that KS gives, in the hands of other tools."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import minio
import polars as pl
import pytest
from botocore.exceptions import ClientError
from obstore.exceptions import BaseError, PermissionDeniedError

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.client.credentials import Credentials
from klarity_storage.protocol.credentials import Adding, Operation, S3Credentials
from server_fixture import RunningServer


@pytest.fixture
def name(owned: ks.Storage, space: str, plant: PlantTree) -> str:
    owned.push(f"{space}/datasets/cats", plant({"a": b"meow"}))
    owned.push(f"{space}/datasets/cats2", plant({"a": b"purr"}))
    return f"{space}/datasets/cats"


def key_of(storage: ks.Storage, name: str) -> str:
    return f"{name}/{storage.get_version(name).files()[0].extents[0].object}"


def test_boto3_reads_and_is_refused_elsewhere(owned: ks.Storage, name: str) -> None:
    keys = owned.credentials(name)
    s3 = keys.boto3_session().client("s3")

    assert s3.get_object(Bucket=keys.bucket, Key=key_of(owned, name))["Body"].read() == b"meow"
    assert s3.list_objects_v2(Bucket=keys.bucket, Prefix=f"{name}/")["KeyCount"] == 3
    body: Any = b""
    for refused in (
        lambda: s3.get_object(Bucket=keys.bucket, Key=key_of(owned, f"{name}2")),
        lambda: s3.list_objects_v2(Bucket=keys.bucket, Prefix=name),
        lambda: s3.list_objects_v2(Bucket=keys.bucket),
        lambda: s3.put_object(Bucket=keys.bucket, Key=f"{name}/x", Body=body),
        lambda: s3.delete_object(Bucket=keys.bucket, Key=key_of(owned, name)),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_a_boto3_resource_reads_too(owned: ks.Storage, name: str) -> None:
    keys = owned.credentials(name)
    bucket = keys.boto3_session().resource("s3").Bucket(keys.bucket)
    assert len(list(bucket.objects.filter(Prefix=f"{name}/"))) == 3


def test_minio_reads(owned: ks.Storage, name: str) -> None:
    keys = owned.credentials(name)
    client = keys.minio()
    assert isinstance(client, minio.Minio)
    answer = client.get_object(keys.bucket, key_of(owned, name))
    assert answer.read() == b"meow"
    answer.close()
    answer.release_conn()


def test_obstore_reads(owned: ks.Storage, name: str) -> None:
    store = owned.credentials(name).obstore()
    assert bytes(store.get(key_of(owned, name)).bytes()) == b"meow"


def test_polars_reads_a_table_with_storage_options(owned: ks.Storage, space: str) -> None:
    table = f"{space}/tables/runs"
    owned.push_data_frame(table, [{"id": 1, "score": 0.5}, {"id": 2, "score": 0.9}])
    keys = owned.credentials(table)
    frame = pl.read_delta(f"s3://{keys.bucket}/{table}", storage_options=keys.storage_options())
    assert frame.sort("id").rows() == [(1, 0.5), (2, 0.9)]


def test_any_sdk_reads_with_the_environment(owned: ks.Storage, name: str) -> None:
    keys = owned.credentials(name)
    program = f"""
import boto3
answer = boto3.client("s3").get_object(Bucket={keys.bucket!r}, Key={key_of(owned, name)!r})
print(answer["Body"].read())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | keys.as_env(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"b'meow'"


def test_a_slow_line_has_time_for_a_pack(owned: ks.Storage, name: str) -> None:
    """obstore ends a request after 30 s by itself, and does not try a PUT again that timed out."""
    options = owned.credentials(name).obstore().client_options
    assert options
    assert options["timeout"] == "5m"


def test_keys_to_push_write_one_folder_and_delete_nothing(owned: ks.Storage, name: str) -> None:
    version = "a" * 64
    keys = owned.credentials(name, write=True, version=version)
    store = keys.obstore()
    store.put(f"{name}/{version}/x", b"1")
    for refused in (f"{name}/{'b' * 64}/x", f"{name}/_log/{7:020d}.json", f"{name}2/x", "x"):
        with pytest.raises(PermissionDeniedError):
            store.put(refused, b"1")
    with pytest.raises(BaseError, match="AccessDenied"):
        store.delete(f"{name}/{version}/x")


def test_a_committed_version_gets_no_keys_again(owned: ks.Storage, name: str) -> None:
    with pytest.raises(ks.ConflictError, match="committed"):
        owned.credentials(name, write=True, version=owned.get_version(name).hash)


def test_secrets_are_in_no_repr(owned: ks.Storage, name: str) -> None:
    keys = owned.credentials(name)
    shown = repr(keys) + str(keys) + repr(keys.current)
    assert keys.current.secret_access_key not in shown
    assert (keys.current.session_token or "?") not in shown


def test_a_duration_out_of_range_is_refused(owned: ks.Storage, name: str) -> None:
    for duration in (60, 86_400):
        with pytest.raises(ks.InvalidInputError, match="duration"):
            owned.credentials(name, duration=duration)


def test_a_table_is_overwritten_by_its_owner_alone(
    server: RunningServer, owned: ks.Storage, space: str
) -> None:
    owned.push_data_frame(f"{space}/tables/runs", [{"id": 1}])
    with server.user(("writer", space)) as writer:
        writer.push_data_frame(f"{space}/tables/runs", [{"id": 2}])
        with pytest.raises(ks.ForbiddenError, match="owner"):
            writer.push_data_frame(f"{space}/tables/runs", [{"id": 3}], mode="overwrite")
    assert owned.get_data_table(space, "runs").info.rows == 2


class Counting:
    """An issuer whose keys end when the test says so."""

    def __init__(self, life: timedelta) -> None:
        self.life = life
        self.issued = 0

    def issue(
        self,
        scope: str,
        operation: Operation,
        version: str | None,
        duration: int,
        adding: Adding | None = None,
    ) -> S3Credentials:
        self.issued += 1
        return S3Credentials(
            endpoint="http://127.0.0.1:1",
            region="us-east-1",
            bucket="klarity",
            access_key_id=f"key-{self.issued}",
            secret_access_key="s",
            session_token="t",
            expires_at=datetime.now(UTC) + self.life,
        )


def test_keys_are_kept_while_they_last_and_renewed_before_they_end() -> None:
    lasting = Counting(timedelta(hours=1))
    keys = Credentials(lasting, "vision")
    assert {keys.current.access_key_id for _ in range(5)} == {"key-1"}

    ending = Counting(timedelta(minutes=4))
    keys = Credentials(ending, "vision")
    assert [keys.current.access_key_id for _ in range(3)] == ["key-2", "key-3", "key-4"]


@pytest.mark.parametrize("library", ["boto3", "minio"])
def test_sessions_renew(library: str) -> None:
    issuer = Counting(timedelta(seconds=30))
    keys = Credentials(issuer, "vision")
    if library == "boto3":
        session: boto3.Session = keys.boto3_session()
        credentials = session.get_credentials()
        assert credentials is not None
        seen = [credentials.get_frozen_credentials().access_key for _ in range(2)]
    else:
        provider = keys.minio()._provider
        assert provider is not None
        seen = [provider.retrieve().access_key for _ in range(2)]
    assert seen[0] != seen[1]


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Credentials(Counting(timedelta(hours=1)), "vision")
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "klarity_storage.client.boto3_session", raising=False)
    with pytest.raises(ks.ConfigurationError, match="boto3 is not installed") as caught:
        keys.boto3_session()
    assert caught.value.hint == "pip install 'klarity-storage[boto3]'"
