"""More than a server can hold: it refuses, and goes on answering everybody else."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import CommitRequest
from klarity_storage.versions.manifest import SCHEMA, Manifest
from server_fixture import RunningServer

pytestmark = pytest.mark.real

MB = 1 << 20
GIB = 1 << 30
PIECE = b" " * MB


def memory(server: RunningServer) -> int:
    """The most bytes that the server's process has held."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def sent(server: RunningServer, head: str, pieces: Iterator[bytes]) -> tuple[bytes, int]:
    """What is answered to a request, and how many bytes of its body could be sent meanwhile."""
    place = urlsplit(server.address)
    with socket.create_connection((place.hostname, place.port), timeout=60) as raw:
        raw.sendall(
            f"POST /v1/spaces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
            f"Content-Type: application/json\r\n{head}\r\n\r\n".encode()
        )
        number = 0
        try:
            for piece in pieces:
                raw.sendall(piece)
                number += len(piece)
        except ConnectionError:
            pass  # it has heard enough
        answer = b""
        try:
            while more := raw.recv(65_536):
                answer += more
        except ConnectionError:
            pass
        return answer, number


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_a_gigabyte_of_json_is_not_read(server: RunningServer, length: str) -> None:
    before = memory(server)
    pieces = (PIECE for _ in range(GIB // MB))
    if length == "declared":
        answer, number = sent(server, f"Content-Length: {GIB}", pieces)
    else:
        answer, number = sent(server, "Transfer-Encoding: chunked", chunked(pieces))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert number < GIB // 4
    assert memory(server) - before < 100 * MB
    assert httpx.get(f"{server.address}/healthz", trust_env=False).status_code == 200


def test_what_is_packed_is_not_unpacked(server: RunningServer) -> None:
    body = gzip.compress(b'{"key": "' + b"x" * 300 * MB + b'"}', compresslevel=1)
    before = memory(server)
    answer = httpx.post(
        f"{server.address}/v1/spaces",
        content=body[: MB // 2],
        headers={"Authorization": f"Bearer {server.token}", "Content-Encoding": "gzip"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert memory(server) - before < 100 * MB


def million(number: int = 1_000_000) -> Manifest:
    """A manifest of empty files, of which nothing lies anywhere."""
    zeros = pa.nulls(number, pa.int64()).fill_null(0)
    extents = SCHEMA.field("extents").type
    return Manifest(
        pa.Table.from_arrays(
            [
                pa.array(f"d{at // 1000:04d}/{at:07d}.png" for at in range(number)),
                zeros,
                pa.array(["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
                .dictionary_encode()
                .take(zeros)
                .cast(pa.string()),
                pa.array(["image/png"]).take(zeros),
                pa.ListArray.from_arrays(
                    pa.nulls(number + 1, pa.int32()).fill_null(0),
                    pa.array([], extents.value_type),
                    type=extents,
                ),
            ],
            schema=SCHEMA,
        )
    )


def test_a_million_paths_in_one_commit_keep_nobody_waiting(
    server: RunningServer, owned: ks.Storage, space: str
) -> None:
    name = Name(space, Kind.DATASETS, "many")
    manifest = million()
    version = manifest.version_hash()
    file, data = manifest.encode()
    backend = owned._backend
    store = backend.writing_store(name, version)
    store.put(name.manifest_key(version, file), data)
    before, slowest, done = memory(server), 0.0, Event()

    def watch() -> None:
        nonlocal slowest
        with httpx.Client(base_url=server.address, trust_env=False) as http:
            while not done.is_set():
                started = time.monotonic()
                assert http.get("/readyz").status_code == 200
                slowest = max(slowest, time.monotonic() - started)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        info = backend.commit(name, CommitRequest(version=version, manifest=file, write_id="w"))
    finally:
        done.set()
        watcher.join()
    assert info.files == 1_000_000
    assert memory(server) - before < 800 * MB
    assert 0 < slowest < 10
