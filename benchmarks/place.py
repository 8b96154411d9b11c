"""Where a benchmark runs: one engine for all contenders, and a server over it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

import klarity_storage as ks
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.seaweed import SeaweedEngine

BUCKET = "bench"
ROLE = "arn:aws:iam::000000000000:role/klarity"


@dataclass(frozen=True)
class Place:
    """What everybody who is measured is given."""

    work: Path
    peers: Path
    """The ``bin`` folder of the peers' environment."""
    env: dict[str, str] = field(repr=False)
    s3: Any = field(repr=False)
    """A boto3 client with the engine's root keys."""

    def stored(self) -> int:
        """Bytes of all objects of the peers and of Klarity Storage."""
        buckets = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
        pages = self.s3.get_paginator("list_objects_v2")
        return sum(
            item["Size"]
            for bucket in buckets
            for page in pages.paginate(Bucket=bucket)
            for item in page.get("Contents", [])
        )


@contextmanager
def running(work: Path, peers: Path) -> Iterator[Place]:
    """One engine, and a server over it, while the block runs."""
    with SeaweedEngine(work / "engine") as engine:
        keys = engine.credentials
        s3 = boto3.client(
            "s3",
            endpoint_url=keys.endpoint,
            region_name=keys.region,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        s3.create_bucket(Bucket=BUCKET)
        command = [str(Path(sys.executable).with_name("ks")), "serve"]
        with serving(work, keys, command) as (found, _):
            yield Place(work, peers, _environment(work, keys) | found, s3)


def _environment(work: Path, keys: S3Credentials) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": keys.endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": keys.region,
        "AWS_DEFAULT_REGION": keys.region,
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
        "RCLONE_CONFIG_BENCH_ENDPOINT": keys.endpoint,
        "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
        "KS_CACHE": str(work / "cache"),
        "HOME": str(work),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DVC_NO_ANALYTICS": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # everybody's modules are compiled, as once installed
    }


@contextmanager
def serving(
    work: Path, keys: S3Credentials, command: list[str]
) -> Iterator[tuple[dict[str, str], int]]:
    """A server over an engine while the block runs: its address and token, and its process."""
    command = [*command, "--data", str(work / "server"), "--port", "0"]
    command += ["--engine", "s3", "--endpoint", keys.endpoint, "--role-arn", ROLE]
    secrets = {
        "KS_S3_ACCESS_KEY_ID": keys.access_key_id,
        "KS_S3_SECRET_ACCESS_KEY": keys.secret_access_key,
    }
    log = work / "server.log"  # and no pipe: a line a request would fill it, and stop the server
    with (
        log.open("wb") as sink,
        subprocess.Popen(command, env=os.environ | secrets, stderr=sink) as process,
    ):
        while "\nready" not in (said := log.read_text()):
            if process.poll() is not None:
                sys.exit(f"The server did not start:\n{said}")
            time.sleep(0.02)
        words = said.split()
        address = next(word for word in words if word.startswith("http://"))
        token = next(word for word in words if word.startswith("ks_"))
        with ks.connect(address, token=token) as storage:
            storage.create_space("bench")
        try:
            yield {"KS_URL": address, "KS_TOKEN": token}, process.pid
        finally:
            process.terminate()
