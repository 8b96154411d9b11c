"""Slow readers, readers who leave, and many of them: a server over a relay that counts."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import klarity_storage as ks
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.seaweed import SeaweedEngine
from relay import Relay, relayed
from server_fixture import start_server
from wire import Wire

pytestmark = pytest.mark.real

SIZE = 64 << 20
MIB = 1 << 20
STALL = 12


@dataclass(frozen=True)
class Slow:
    """A server whose engine is behind a relay, and a large file on it."""

    relay: Relay
    wire: Wire
    pid: int
    path: str
    data: bytes

    @property
    def memory(self) -> int:
        """Bytes of the server's process that are resident."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def begin(self, **headers: str) -> socket.socket:
        """Ask for the file, and read nothing."""
        where = urlsplit(self.wire.address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)))
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        connection.sendall(
            f"GET {self.path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {self.wire.token}\r\n{told}\r\n".encode()
        )
        return connection


@pytest.fixture(scope="module")
def slow(engine: SeaweedEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    data = tmp_path_factory.mktemp("slow") / "data"
    data.mkdir()
    keys = engine.credentials
    with relayed(keys.endpoint) as relay:
        settings = data / "klarity.toml"
        settings.write_text(
            f'[engine]\nkind = "s3"\nendpoint = "{relay.endpoint}"\n'
            f'role_arn = "{weed.ROLE_ARN}"\naccess_key_id = "{keys.access_key_id}"\n'
            f'secret_access_key = "{keys.secret_access_key}"\n'
            f'[storage]\nbucket = "{keys.bucket}"\n[files]\nstall = {STALL}\n'
        )
        settings.chmod(0o600)
        process, address, token = start_server(data)
        try:
            content = os.urandom(SIZE)
            tree = data.parent / "tree"
            tree.mkdir()
            (tree / "large").write_bytes(content)
            space = f"s{os.urandom(6).hex()}"
            with ks.connect(address, token=token) as admin:
                admin.create_space(space)
                version = admin.push(f"{space}/models/net", tree)
            path = f"/files/{version.name}/{version.hash}/large"
            yield Slow(relay, Wire(address, token), process.pid, path, content)
        finally:
            process.terminate()
            process.wait(30)


def settled(count: Callable[[], int], seconds: float = 30) -> int:
    """A count when it has not changed for a second."""
    deadline = time.monotonic() + seconds
    last, since = count(), time.monotonic()
    while time.monotonic() < deadline:
        if (now := count()) != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1:
            return last
        time.sleep(0.02)
    raise AssertionError("it never came to rest")


def read_all(connection: socket.socket) -> bytes:
    found = bytearray()
    while data := connection.recv(1 << 20):
        found += data
    return bytes(found).partition(b"\r\n\r\n")[2]


def test_the_engine_is_asked_for_no_more_than_is_taken(slow: Slow) -> None:
    before = slow.relay.answered
    with slow.begin(connection="close") as connection:
        asked = settled(lambda: slow.relay.answered) - before
        assert asked < SIZE - 8 * MIB  # the kernel's buffers on the way take the most of it
        connection.settimeout(60)
        assert read_all(connection) == slow.data
    answered = slow.relay.answered - before
    # what was under way when the stream was let go is lost, and nothing after it
    assert SIZE <= answered <= asked + SIZE


def test_the_read_of_the_engine_ends_when_the_reader_leaves(slow: Slow) -> None:
    idle = settled(lambda: slow.relay.open)
    before = slow.relay.answered
    with slow.begin() as connection:
        connection.recv(MIB)
        assert slow.relay.open >= min(idle, 1)
    after = settled(lambda: slow.relay.answered)
    assert after - before < SIZE - 8 * MIB
    assert slow.wire(slow.path, range="bytes=0-9").body == slow.data[:10]
    assert settled(lambda: slow.relay.open) <= idle + 1


def test_who_takes_nothing_is_cut_off(slow: Slow) -> None:
    with slow.begin(connection="close") as connection:
        settled(lambda: slow.relay.answered)
        time.sleep(STALL + 1)  # the time-out itself is what is tried
        connection.settimeout(60)
        try:
            found = read_all(connection)
        except ConnectionResetError:
            found = b""
    assert len(found) < SIZE


def test_who_reads_slowly_but_reads_gets_everything(slow: Slow) -> None:
    with slow.begin(connection="close") as connection:
        connection.settimeout(60)
        found = bytearray()
        while data := connection.recv(MIB, socket.MSG_WAITALL):
            found += data
            if len(found) < 12 * MIB:
                time.sleep(0.3)  # longer than the engine is held, in sum
        assert bytes(found).partition(b"\r\n\r\n")[2] == slow.data


def test_many_slow_readers_take_little_memory(slow: Slow) -> None:
    before = slow.memory
    with ThreadPoolExecutor(50) as pool:
        connections = list(pool.map(lambda _: slow.begin(), range(50)))
    try:
        settled(lambda: slow.relay.answered)
        grown = slow.memory - before
        assert slow.wire(slow.path, range="bytes=5-9").body == slow.data[5:10]
    finally:
        for connection in connections:
            connection.close()
    assert grown < 128 * MIB, f"{grown >> 20} MiB"  # of 3,200 that they asked for
