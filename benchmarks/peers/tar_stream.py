"""The limit of the engine: one object that streams in, or out into tar."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from obstore.store import S3Store


def main(verb: str, folder: str, bucket: str, key: str) -> None:
    store = S3Store(
        bucket,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        region=os.environ["AWS_REGION"],
        client_options={"allow_http": True},
    )
    if verb == "put":
        with subprocess.Popen(
            ["tar", "-cf", "-", "-C", folder, "."], stdout=subprocess.PIPE
        ) as tar:
            store.put(key, _chunks(tar), chunk_size=8 << 20)
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["tar", "-xf", "-", "-C", folder], stdin=subprocess.PIPE) as tar:
        assert tar.stdin
        for chunk in store.get(key).stream(min_chunk_size=8 << 20):
            tar.stdin.write(chunk)


def _chunks(tar: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert tar.stdout
    while chunk := tar.stdout.read(8 << 20):
        yield chunk


if __name__ == "__main__":
    main(*sys.argv[1:])
