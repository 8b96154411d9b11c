"""S3 for callers outside, through nginx, and nothing else of the engine."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import klarity_storage as ks
from klarity_storage.server.engines.weed import ROLE_ARN
from nginx_fixture import Site
from waiting import until
from wire import Wire

pytestmark = pytest.mark.real

MIB = 1 << 20
BUCKET = "klarity"
PREFIX = "vision/tables/runs/"


@pytest.fixture(scope="module")
def keys(site: Site) -> ks.Credentials:
    """Keys to write a table, as the server gives them to whoever asks through nginx."""
    with ks.connect(site.address, token=site.token) as storage:
        return storage.credentials("vision/tables/runs", write=True)


@pytest.fixture(scope="module")
def s3(keys: ks.Credentials) -> Any:
    return keys.boto3_session().client("s3", config=Config(signature_version="s3v4"))


def test_the_server_names_the_public_place(site: Site, keys: ks.Credentials) -> None:
    assert keys.current.endpoint == site.s3


@pytest.mark.parametrize("key", ["plain", "with space", "Zürich+1=2&3", "a%2Fb", "deep/er/~x", "*"])
def test_objects(s3: Any, key: str) -> None:
    body = key.encode() * 1000
    s3.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=body, Metadata={"of": "a test"})
    found = s3.get_object(Bucket=BUCKET, Key=PREFIX + key)
    assert found["Body"].read() == body
    assert found["Metadata"] == {"of": "a test"}
    part = s3.get_object(Bucket=BUCKET, Key=PREFIX + key, Range="bytes=1-3")
    assert part["Body"].read() == body[1:4]
    assert s3.head_object(Bucket=BUCKET, Key=PREFIX + key)["ContentLength"] == len(body)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
    assert PREFIX + key in [item["Key"] for item in listed["Contents"]]


def test_one_writer_wins(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}once", Body=b"2", IfNoneMatch="*")


def test_a_multipart_upload(s3: Any) -> None:
    key, parts = f"{PREFIX}multipart", [bytes([number]) * (5 * MIB) for number in range(3)]
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    tags = [
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=at, Body=part)["ETag"]
        for at, part in enumerate(parts, 1)
    ]
    done = {"Parts": [{"PartNumber": at, "ETag": tag} for at, tag in enumerate(tags, 1)]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload=done)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"".join(parts)
    other = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=other)


def test_a_stream_of_unknown_length(s3: Any) -> None:
    class Stream(io.RawIOBase):
        left = 40 * MIB

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            number = min(self.left, size if size >= 0 else self.left)
            self.left -= number
            return b"s" * number

    s3.upload_fileobj(Stream(), BUCKET, f"{PREFIX}stream")
    assert s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}stream")["ContentLength"] == 40 * MIB


def test_signed_addresses(s3: Any) -> None:
    key = {"Bucket": BUCKET, "Key": f"{PREFIX}signed/Zürich 1.bin"}
    put = s3.generate_presigned_url("put_object", Params=key, ExpiresIn=60)
    assert httpx.put(put, content=b"signed", trust_env=False).status_code == 200
    get = s3.generate_presigned_url("get_object", Params=key, ExpiresIn=60)
    assert httpx.get(get, trust_env=False).content == b"signed"
    other = get.replace("signed/", "unsigned/")
    assert httpx.get(other, trust_env=False).status_code == 403


def test_a_signature_is_for_the_public_host(site: Site, keys: ks.Credentials) -> None:
    elsewhere = "http://s3.elsewhere.example.org"
    signing = Config(signature_version="s3v4")
    s3 = keys.boto3_session().client("s3", endpoint_url=elsewhere, config=signing)
    key = {"Bucket": BUCKET, "Key": f"{PREFIX}plain"}
    get = s3.generate_presigned_url("get_object", Params=key, ExpiresIn=60)
    assert httpx.get(get.replace(elsewhere, site.s3), trust_env=False).status_code == 403


def kept(site: Site) -> int:
    """Bytes of what nginx has on the disk."""
    return sum(f.stat().st_size for f in (site.data / "proxy").rglob("*") if f.is_file())


def test_uploads_are_not_gathered(site: Site, s3: Any) -> None:
    key = {"Bucket": BUCKET, "Key": f"{PREFIX}unbuffered"}
    before, most = kept(site), 0

    def body() -> Iterator[bytes]:
        nonlocal most
        for _ in range(64):
            yield bytes(MIB)
            most = max(most, kept(site) - before)

    put = s3.generate_presigned_url("put_object", Params=key, ExpiresIn=60)
    length = {"Content-Length": str(64 * MIB)}
    assert httpx.put(put, content=body(), headers=length, trust_env=False).status_code == 200
    assert most < 4 * MIB  # of 64, of which sockets hold some
    assert s3.head_object(**key)["ContentLength"] == 64 * MIB


def test_downloads_are_not_gathered(site: Site, s3: Any) -> None:
    """A reader that pauses holds a connection and no disk."""
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}large", Body=bytes(64 * MIB))
    before = kept(site)
    found = s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}large")["Body"]
    assert len(found.read(MIB)) == MIB
    assert kept(site) - before < 4 * MIB
    assert len(found.read()) == 63 * MIB


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", b""),
        ("POST", "/", b"Action=AssumeRole&Version=2011-06-15"),
        ("POST", "/", b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
        ("POST", "/", b"Action=CreateUser&UserName=evil&Version=2010-05-08"),
        ("POST", "/?Action=AssumeRole&Version=2011-06-15", b""),
        ("POST", "//", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}/../", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}/..", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}/%2e%2e/", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}%2f..%2f", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}/", b"Action=AssumeRole"),
        ("POST", f"/{BUCKET}?Action=AssumeRole", b""),
        ("GET", "/status", b""),
        ("GET", "/healthz", b""),
        ("GET", "/metrics", b""),
        ("GET", f"/{BUCKET}/../status", b""),
        ("GET", f"/{BUCKET}/.%2e/status", b""),
        ("GET", f"/{BUCKET}//../status", b""),
        ("GET", "/%6blarity/x", b""),
        ("GET", "/other/x", b""),
        ("GET", f"/{BUCKET}x/y", b""),
        ("PUT", f"/{BUCKET}", b""),
        ("PUT", f"/{BUCKET}/?policy", b"{}"),
        ("PUT", "/evil", b""),
        ("DELETE", f"/{BUCKET}", b""),
        ("PATCH", f"/{BUCKET}/x", b""),
        ("OPTIONS", f"/{BUCKET}/x", b""),
        ("PROPFIND", f"/{BUCKET}/x", b""),
        ("GET", "/dir/assign", b""),
        ("GET", "/buckets/klarity/", b""),
        ("GET", "/v1/spaces", b""),
        ("GET", "/.ks/file", b""),
    ],
)
def test_nothing_else_is_there(site: Site, method: str, path: str, body: bytes) -> None:
    heard = Wire(site.s3)(path, method, body or None)
    assert heard.status in {400, 403}
    assert heard["content-type"] == "application/xml"
    assert b"The request is for nothing that is published here" in heard.body or heard.status == 400
    assert "seaweed" not in heard.headers["server"].lower()


def client(service: Literal["sts", "iam"], keys: ks.Credentials) -> Any:
    given = keys.current
    return boto3.client(
        service,
        endpoint_url=keys.current.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_keys_make_no_keys(keys: ks.Credentials, s3: Any) -> None:
    sts, iam = client("sts", keys), client("iam", keys)
    for call in (
        lambda: sts.assume_role(RoleArn=ROLE_ARN, RoleSessionName="evil"),
        sts.get_caller_identity,
        sts.get_session_token,
        iam.list_users,
        lambda: iam.create_access_key(UserName="klarity"),
        s3.list_buckets,
        lambda: s3.create_bucket(Bucket="evil"),
        lambda: s3.delete_bucket(Bucket=BUCKET),
        lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    "header", ["X-SeaweedFS-Principal", "X-SeaweedFS-Session-Token", "X-Forwarded-Host"]
)
def test_nobody_is_what_a_header_says(site: Site, header: str) -> None:
    told = {header.replace("-", "_"): "arn:aws:iam::000000000000:user/klarity"}
    assert Wire(site.s3)(f"/{BUCKET}/{PREFIX}plain", "GET", None, **told).status == 403


def lines(site: Site, key: str) -> Iterator[dict[str, Any]]:
    for day in (site.data / "logs" / "s3").glob("*.jsonl"):
        for line in day.read_text().splitlines():
            if quote(key) in line or key in line:
                yield json.loads(line)


def test_the_engines_log_has_the_callers_address(site: Site, s3: Any) -> None:
    key = f"{PREFIX}address"

    def claim(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-For"] = "192.0.2.7"
        request.headers["X-Real-IP"] = "192.0.2.7"

    s3.meta.events.register("before-send.s3", claim)
    try:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    finally:
        s3.meta.events.unregister("before-send.s3", claim)
    until(lambda: list(lines(site, key)))
    found = list(lines(site, key))
    assert "127.0.0.1" in json.dumps(found)
    assert "192.0.2.7" not in json.dumps(found)


def test_a_body_that_is_too_large_is_refused_at_once(site: Site) -> None:
    place = urlsplit(site.s3)
    with socket.create_connection((place.hostname, place.port), timeout=60) as raw:
        raw.sendall(
            f"PUT /{BUCKET}/{PREFIX}x HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Content-Length: {6 << 30}\r\n\r\n".encode()
        )
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"EntityTooLarge" in answer


def test_push_and_pull(site: Site, tmp_path: Path) -> None:
    tree = {"small.txt": b"small", "large.bin": bytes(range(256)) * (80 * MIB // 256 // 4)}
    for path, data in tree.items():
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree" / path).write_bytes(data)
    with ks.connect(site.address, token=site.token) as storage:
        version = storage.push("vision/models/big", tmp_path / "tree")
        version.download(tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == tree
