from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from cli.harness import Run, Spawn, document
from klarity_storage.protocol.credentials import S3Credentials
from server_fixture import RunningServer

pytestmark = pytest.mark.real


@pytest.fixture
def cats(server: RunningServer, run: Run, space: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KS_URL", server.address)
    monkeypatch.setenv("KS_TOKEN", server.token)
    run("space", "create", space)
    run("push", f"{space}/datasets/cats", "cats")
    run("push", f"{space}/datasets/cats2", "report")
    return f"{space}/datasets/cats"


def test_lines_for_a_shell(spawn: Spawn, cats: str) -> None:
    names = "env | grep ^AWS_ | grep -v BUNDLE | cut -d= -f1 | sort"
    done = spawn(f'eval "$(ks credentials {cats} --quiet)"; {names}')
    assert done.stdout.split() == [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ]
    assert done.stderr == ""


def test_json_is_the_protocol_s_struct(run: Run, cats: str) -> None:
    given = document(run("credentials", cats, "--duration", "15m", "--json"), S3Credentials)
    assert given.prefixes == [f"{cats}/"]
    assert given.expires_at is not None
    assert given.expires_at - datetime.now(UTC) < timedelta(minutes=16)
    assert "in 59 minutes" in run("credentials", cats).stderr


def test_arguments_of_boto3_reach_what_was_asked_and_no_more(run: Run, cats: str) -> None:
    client = boto3.client(**json.loads(run("credentials", cats, "--format", "boto3").stdout))
    bucket = document(run("credentials", cats, "--json"), S3Credentials).bucket
    keys = client.list_objects_v2(Bucket=bucket, Prefix=f"{cats}/")
    assert any(item["Key"].endswith("train/0 é.txt") for item in keys["Contents"])
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_objects_v2(Bucket=bucket, Prefix=f"{cats}2/")


def test_failures(run: Run, cats: str) -> None:
    run("credentials", "nowhere", code=3)
    run("credentials", cats, "--duration", "1s", code=2)
    run("credentials", f"{cats}/../dogs", code=2)
