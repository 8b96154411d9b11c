"""What temporary credentials can do to a real engine, verb by verb, with boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from klarity_storage.protocol.credentials import CredentialsRequest, Operation, S3Credentials
from klarity_storage.server.credentials.issue import issue
from klarity_storage.server.engines.seaweed import SeaweedEngine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.real

VERSION = "ab" * 32
PART = 5 * 1024 * 1024


def s3_of(credentials: S3Credentials) -> S3Client:
    client: S3Client = boto3.session.Session().client(
        "s3",
        endpoint_url=credentials.endpoint,
        region_name=credentials.region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
    )
    return client


class Visitor:
    """Temporary credentials at work: every method either works or raises what the engine said."""

    def __init__(self, credentials: S3Credentials) -> None:
        self.s3 = s3_of(credentials)
        self.bucket = credentials.bucket

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def head(self, key: str) -> Any:
        return self.s3.head_object(Bucket=self.bucket, Key=key)

    def put(self, key: str) -> Any:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"new")

    def delete(self, key: str) -> Any:
        return self.s3.delete_object(Bucket=self.bucket, Key=key)

    def delete_many(self, key: str) -> Any:
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key}]})
        if errors := answer.get("Errors"):
            raise ClientError(
                {
                    "Error": {"Code": errors[0].get("Code", "")},
                    "ResponseMetadata": {"HTTPStatusCode": 403},  # type: ignore[typeddict-item]
                },
                "DeleteObjects",
            )
        return answer

    def copy(self, source: str, target: str) -> Any:
        return self.s3.copy_object(
            Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source}
        )

    def list(self, prefix: str) -> Any:
        return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])

    def list_all(self) -> Any:
        return self.s3.list_objects_v2(Bucket=self.bucket)

    def list_v1(self, prefix: str) -> Any:
        return self.s3.list_objects(Bucket=self.bucket, Prefix=prefix)

    def list_versions(self, prefix: str) -> Any:
        return self.s3.list_object_versions(Bucket=self.bucket, Prefix=prefix)

    def multipart(self, key: str) -> Any:
        where: Any = {"Bucket": self.bucket, "Key": key}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        parts = [
            self.s3.upload_part(**where, UploadId=upload, PartNumber=n, Body=bytes([n]) * size)
            for n, size in ((1, PART), (2, 10))
        ]
        listed: Any = [{"ETag": part["ETag"], "PartNumber": n} for n, part in enumerate(parts, 1)]
        return self.s3.complete_multipart_upload(
            **where, UploadId=upload, MultipartUpload={"Parts": listed}
        )

    def abort(self, key: str) -> Any:
        where: Any = {"Bucket": self.bucket, "Key": key}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        return self.s3.abort_multipart_upload(**where, UploadId=upload)


def refused(act: Callable[..., Any], *arguments: str) -> bool:
    """Whether the engine says 403, and nothing else: a wrong request proves nothing."""
    try:
        act(*arguments)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return True
    return False


@pytest.fixture
def planted(engine: SeaweedEngine, space: str) -> str:
    """A space where every kind of neighbour has an object ``x``."""
    for name in ("datasets/cats", f"datasets/cats/{VERSION}", "datasets/cats2", "models/cats"):
        engine.store.put(f"{space}/{name}/x", b"old")
    for name in ("tables/runs", "raw_binary/runs", "tables/runs2", "raw_binary/runs2"):
        engine.store.put(f"{space}/{name}/x", b"old")
    engine.store.put(f"{space}2/datasets/cats/x", b"old")
    return space


def visit(engine: SeaweedEngine, scope: str, operation: str, version: str | None) -> Visitor:
    request = CredentialsRequest(
        scope=scope, operation=Operation(operation), version=version, duration=900
    )
    return Visitor(issue(engine, lambda _name, _version: False, request, "user:alice", "request-1"))


def assert_closed(visitor: Visitor, foreign: str, own: str) -> None:
    """No verb gets to a foreign key: neither an object that exists nor a new one."""
    folder = foreign.rsplit("/", 1)[0] + "/"
    for verb in ("get", "head", "put", "delete", "delete_many"):
        assert refused(getattr(visitor, verb), foreign), (verb, foreign)
    for verb in ("list", "list_v1", "list_versions"):
        assert refused(getattr(visitor, verb), folder), (verb, folder)
    for verb in ("put", "multipart"):
        assert refused(getattr(visitor, verb), folder + "new"), (verb, foreign)
    assert refused(visitor.copy, foreign, own), f"copy from {foreign}"
    assert refused(visitor.copy, own, folder + "copy"), f"copy to {foreign}"


def assert_bucket_closed(visitor: Visitor, space: str, own: str) -> None:
    assert refused(visitor.list_all)
    for prefix in ("", space, f"{space}/", own.removesuffix("/"), own.rsplit("/", 2)[0] + "/"):
        assert refused(visitor.list, prefix), prefix
        assert refused(visitor.list_v1, prefix), prefix
    s3, bucket = visitor.s3, visitor.bucket
    assert refused(lambda: s3.delete_bucket(Bucket=bucket))
    assert refused(lambda: s3.get_bucket_policy(Bucket=bucket))
    assert refused(lambda: s3.put_bucket_policy(Bucket=bucket, Policy="{}"))
    assert refused(lambda: s3.create_bucket(Bucket="another-bucket"))
    assert refused(lambda: s3.list_multipart_uploads(Bucket=bucket))


def test_a_reader_reads_and_lists_its_own(engine: SeaweedEngine, planted: str) -> None:
    own = f"{planted}/datasets/cats/"
    visitor = visit(engine, own.removesuffix("/"), "read", None)
    assert visitor.get(f"{own}x") == b"old"
    assert [item["Key"] for item in visitor.list(own)] == [f"{own}{VERSION}/x", f"{own}x"]
    assert len(visitor.list(f"{own}{VERSION}/")) == 1
    for verb in ("put", "delete", "delete_many", "multipart"):
        assert refused(getattr(visitor, verb), f"{own}x"), verb
    assert refused(visitor.copy, f"{own}x", f"{own}y")
    assert_bucket_closed(visitor, planted, own)


@pytest.mark.parametrize(
    "neighbour", ["{}/datasets/cats2/x", "{}/models/cats/x", "{}2/datasets/cats/x"]
)
@pytest.mark.parametrize(("operation", "version"), [("read", None), ("write", VERSION)])
def test_neighbours_are_closed(
    engine: SeaweedEngine, planted: str, neighbour: str, operation: str, version: str | None
) -> None:
    visitor = visit(engine, f"{planted}/datasets/cats", operation, version)
    own = f"{planted}/datasets/cats/{VERSION}/x"
    assert_closed(visitor, neighbour.format(planted), own)


def test_a_push_writes_its_version_and_nothing_else(engine: SeaweedEngine, planted: str) -> None:
    own = f"{planted}/datasets/cats/"
    visitor = visit(engine, own.removesuffix("/"), "write", VERSION)
    visitor.put(f"{own}{VERSION}/_ks/new")
    visitor.multipart(f"{own}{VERSION}/large")
    visitor.abort(f"{own}{VERSION}/aborted")
    visitor.copy(f"{own}x", f"{own}{VERSION}/copied")
    assert len(visitor.get(f"{own}{VERSION}/large")) == PART + 10
    for key in (
        "x",
        "_log/00000000000000000000.json",
        f"{'cd' * 32}/x",
        f"{VERSION}",
        f"{VERSION}2/x",
    ):
        assert refused(visitor.put, own + key), key
        assert refused(visitor.multipart, own + key), key
        assert refused(visitor.copy, f"{own}x", own + key), key
    assert refused(visitor.delete, f"{own}{VERSION}/x")
    assert refused(visitor.delete_many, f"{own}{VERSION}/x")
    assert_bucket_closed(visitor, planted, own)


@pytest.mark.parametrize("operation", ["write", "overwrite"])
def test_a_table_is_written_with_its_binaries(
    engine: SeaweedEngine, planted: str, operation: str
) -> None:
    visitor = visit(engine, f"{planted}/tables/runs", operation, None)
    for own in (f"{planted}/tables/runs/", f"{planted}/raw_binary/runs/"):
        assert visitor.get(f"{own}x") == b"old"
        visitor.put(f"{own}y")
        visitor.multipart(f"{own}large")
        assert len(visitor.list(own)) == 3
        assert refused(visitor.delete, f"{own}x")
        assert refused(visitor.list, own.removesuffix("/"))
    for neighbour in ("tables/runs2/x", "raw_binary/runs2/x", "datasets/cats/x"):
        assert_closed(visitor, f"{planted}/{neighbour}", f"{planted}/tables/runs/x")


def test_a_reader_of_a_table_cannot_write_its_binaries(engine: SeaweedEngine, planted: str) -> None:
    visitor = visit(engine, f"{planted}/tables/runs", "read", None)
    assert visitor.get(f"{planted}/raw_binary/runs/x") == b"old"
    for own in ("tables", "raw_binary"):
        assert refused(visitor.put, f"{planted}/{own}/runs/y")


def test_a_space_is_read_whole_and_its_sibling_not_at_all(
    engine: SeaweedEngine, planted: str
) -> None:
    visitor = visit(engine, planted, "read", None)
    assert len(visitor.list(f"{planted}/")) == 8
    assert refused(visitor.list, planted)
    assert_closed(visitor, f"{planted}2/datasets/cats/x", f"{planted}/models/cats/x")
