"""Transfers in processes of their own, which may be killed, and the bytes that they move."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from obstore.store import S3Store

from engine_proxy import Exchange, spoiled
from klarity_storage.protocol.credentials import S3Credentials

_PROGRAM = """
import json, os, signal, sys
from obstore.store import LocalStore, S3Store
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.versions import packs, parts

given = json.load(sys.stdin)
packs.PACK = given.get("pack", packs.PACK)
parts.PART = given.get("part", parts.PART)
parts.LARGEST = given.get("largest", parts.LARGEST)
store = LocalStore(given["folder"]) if "folder" in given else S3Store(**given["s3"])

def kill(progress):
    if progress.phase in ("uploading", "downloading") and progress.done_bytes >= given["after"]:
        os.kill(os.getpid(), signal.SIGKILL)

storage = Storage(LocalBackend(store), "killed")
if "root" in given:
    storage.push(given["name"], given["root"], progress=kill)
else:
    version = storage.get_version(given["name"])
    version.download(given["out"], keep=given.get("keep", False), progress=kill)
"""


def killed(given: dict[str, Any]) -> None:
    """Push ``root`` or pull to ``out``, and die where ``after`` bytes are through."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=json.dumps(given).encode(), check=False
    )
    assert done.returncode == -signal.SIGKILL


def s3_options(keys: S3Credentials, endpoint: str | None = None) -> dict[str, Any]:
    """What an S3Store of an engine takes, as JSON can say it."""
    return {
        "bucket": keys.bucket,
        "endpoint": endpoint or keys.endpoint,
        "region": keys.region,
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "client_options": {"allow_http": True},
    }


class Traffic:
    """The bytes of bodies that went through a proxy."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.puts: list[str] = []

    def count(self, exchange: Exchange) -> tuple[int, bytes]:
        if exchange.status < 500:  # a busy engine may want a request again
            self.sent += len(exchange.body)
            self.received += len(exchange.answer)
            if exchange.method == "PUT":
                self.puts.append(exchange.path)
        return exchange.status, exchange.answer


@contextmanager
def counted(keys: S3Credentials) -> Iterator[tuple[S3Store, Traffic]]:
    """The same bucket by a way that counts."""
    traffic = Traffic()
    with spoiled(keys.endpoint, traffic.count) as endpoint:
        yield S3Store(**s3_options(keys, endpoint)), traffic
