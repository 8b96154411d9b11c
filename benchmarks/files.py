"""What the read path costs beside the engine below it: `python benchmarks/files.py`.

A file of 256 MiB through the server against a GET of the same object, a file out of a pack against
a GET of the same range, and the memory of the server while 200 readers hardly read. The two of a
pair take turns, so that both meet the same machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import klarity_storage as ks
from klarity_storage.server.engines.seaweed import SeaweedEngine
from place import serving

MIB = 1 << 20
LARGE = 256 * MIB
READERS = 200
BLOCK = MIB


@dataclass(frozen=True)
class Served:
    """A server, and what is asked of it."""

    address: str
    token: str
    pid: int

    def get(self, path: str) -> None:
        """Read a file to its end."""
        read(f"{self.address}{path}", {"Authorization": f"Bearer {self.token}"})

    def hold(self, path: str) -> socket.socket:
        """Ask for a file, and read nothing yet."""
        where = urlsplit(self.address)
        connection = socket.create_connection((str(where.hostname), int(where.port or 0)))
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {self.token}\r\n\r\n".encode()
        )
        return connection

    def memory(self) -> int:
        """Bytes of the server's process that are resident."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def read(url: str, headers: dict[str, str]) -> None:
    """Read what an address answers to its end: one reader for server and engine."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    answer = connection.getresponse()
    if answer.status not in {200, 206}:
        sys.exit(f"{url} answers {answer.status}: {answer.read()[:500]!r}")
    while answer.read(BLOCK):
        pass
    connection.close()


def seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def in_turn(one: Callable[[], object], other: Callable[[], object], rounds: int) -> list[float]:
    """The median seconds of each."""
    one()
    other()
    pairs = [(seconds(one), seconds(other)) for _ in range(rounds)]
    return [statistics.median(times) for times in zip(*pairs, strict=True)]


def measure(work: Path, *, large: int, readers: int, rounds: int) -> dict[str, float]:
    """All three, on a server and an engine of their own."""
    command = [str(Path(sys.executable).with_name("ks")), "serve"]
    with (
        SeaweedEngine(work / "engine") as engine,
        serving(work, engine.credentials, command) as (env, pid),
        ks.connect(env["KS_URL"], token=env["KS_TOKEN"]) as storage,
    ):
        served = Served(env["KS_URL"], env["KS_TOKEN"], pid)
        version = storage.push("bench/models/net", planted(work / "tree", large))
        root = f"/files/{version.name}/{version.hash}"

        def direct(path: str) -> tuple[str, dict[str, str]]:
            (extent,) = version.file(path).extents
            key = {"Bucket": engine.credentials.bucket, "Key": f"{version.name}/{extent.object}"}
            url = engine.access.s3.generate_presigned_url("get_object", Params=key)
            last = extent.offset + extent.length - 1
            return url, {"Range": f"bytes={extent.offset}-{last}"}

        whole, small = direct("large"), direct("small/0007.bin")
        ours, theirs = in_turn(lambda: served.get(f"{root}/large"), lambda: read(*whole), rounds)
        packed, ranged = in_turn(
            lambda: served.get(f"{root}/small/0007.bin"), lambda: read(*small), 20 * rounds
        )
        return {
            "large_rate": theirs / ours,
            "large_mib_s": large / MIB / ours,
            "engine_mib_s": large / MIB / theirs,
            "packed_times": packed / ranged,
            "packed_ms": packed * 1e3,
            "range_ms": ranged * 1e3,
            "idle_mib": served.memory() / MIB,
            "slow_mib": slow_memory(served, f"{root}/large", readers) / MIB,
        }


def planted(folder: Path, large: int) -> Path:
    """A large file, and enough small ones for a pack."""
    (folder / "small").mkdir(parents=True)
    with (folder / "large").open("wb") as file:
        for _ in range(large // MIB):
            file.write(os.urandom(MIB))
    for number in range(100):
        (folder / "small" / f"{number:04}.bin").write_bytes(os.urandom(4096))
    return folder


def slow_memory(served: Served, path: str, readers: int) -> int:
    """The most that the server takes while all of them take a little each half second."""
    held = [served.hold(path) for _ in range(readers)]
    most = 0
    for _ in range(20):
        for connection in held:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.recv(16 << 10)
        time.sleep(0.5)
        most = max(most, served.memory())
    for connection in held:
        connection.close()
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=LARGE, help="bytes of the large file")
    parser.add_argument("--readers", type=int, default=READERS)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ks-files-") as work:
        os.environ["HOME"] = work
        os.environ["KS_CACHE"] = f"{work}/cache"
        found = measure(
            Path(work), large=chosen.large, readers=chosen.readers, rounds=chosen.rounds
        )
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
