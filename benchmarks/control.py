"""What rights cost: an authorized read, temporary credentials, and a list with rights applied.

The control plane runs as `ks serve` runs it. Its worker also answers two empty routes, so that all
meet the same machine in the same seconds: one of a bare Litestar application, and one of the
server's own, whose requests are logged, counted and stamped as all are. An authorized read should
come to half of the rate of an empty route.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from litestar import Litestar, get
from obstore.store import ObjectStore

import klarity_storage as ks
from klarity_storage.cli.main import main as run_ks
from klarity_storage.client.http import Http, quoted
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import CredentialsRequest, Operation, S3Credentials
from klarity_storage.protocol.log import Commit, StoredObject
from klarity_storage.protocol.versions import VersionList
from klarity_storage.server import app
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.server.engines.sts import open_store
from klarity_storage.versions.log import append_entry
from place import ROLE, serving

CALLERS = 16
"""Connections that ask at once, each for the next thing as soon as it has the last."""


VERSIONS = 1_000
BARE, HERE = "/empty", "/v1/empty"
TOLD = {
    "bare": "an empty route of a bare application",
    "here": "an empty route of the server's own",
    "read": "one authorized read",
}


@dataclass(frozen=True)
class Server:
    """A server whose worker also answers `/empty`."""

    address: str
    token: str
    process: int

    def cpu(self) -> float:
        """Seconds of processor that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What a worker did while it was asked for one thing."""

    answers: int
    seconds: float
    cpu: float
    """Seconds of the server's processor."""

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    @property
    def cost(self) -> float:
        """Seconds of processor an answer."""
        return self.cpu / self.answers


class Caller(asyncio.Protocol):
    """A connection that sends the same request until the time is over."""

    def __init__(self, request: bytes, status: bytes, until: float) -> None:
        self.request, self.expected, self.until = request, b"HTTP/1.1 " + status, until
        self.answers = 0
        self.wrong = b""
        self.ended = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):  # an answer without a body ends here
            return
        if not self._buffer.startswith(self.expected):
            self.wrong = self._buffer[:400]
            self.transport.close()
            return
        self._buffer = b""
        self.answers += 1
        if time.monotonic() < self.until:
            self.transport.write(self.request)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


def ask(server: Server, path: str, seconds: float) -> Load:
    """Ask for a path that answers 204, as fast as the answers come."""

    async def run() -> int:
        where = urlsplit(server.address)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n"
        ).encode()
        loop, until = asyncio.get_running_loop(), time.monotonic() + seconds
        host, port = str(where.hostname), where.port or 80
        made = [
            await loop.create_connection(lambda: Caller(request, b"204", until), host, port)
            for _ in range(CALLERS)
        ]
        callers = [caller for _, caller in made]
        await asyncio.gather(*(caller.ended for caller in callers))
        if wrong := next((caller.wrong for caller in callers if caller.wrong), b""):
            sys.exit(f"{path} answered:\n{wrong.decode(errors='replace')}")
        return sum(caller.answers for caller in callers)

    begin, cpu = time.monotonic(), server.cpu()
    answers = asyncio.run(run())
    return Load(answers, time.monotonic() - begin, server.cpu() - cpu)


def measure_reads(server: Server, rounds: int, seconds: float) -> Iterator[str]:
    """Authorizations of one read, against empty routes."""
    path = "/v1/authorize?scope=bench/datasets/cats&operation=read"
    paths = {"bare": BARE, "here": HERE, "read": path}
    turns: dict[str, list[Load]] = {name: [] for name in paths}
    for each in paths.values():
        ask(server, each, 0.3)
    for _ in range(rounds):
        for name, loads in turns.items():
            loads.append(ask(server, paths[name], seconds))
    for name, told in TOLD.items():
        rate = statistics.median(load.rate for load in turns[name])
        cost = statistics.median(load.cost for load in turns[name])
        line = f"{told:<40} {rate:6.0f} a second, {cost * 1e6:4.0f} us of processor"
        if name != "read":
            pairs = list(zip(turns[name], turns["read"], strict=True))
            by_rate = statistics.median(one.rate / empty.rate for empty, one in pairs)
            by_cost = statistics.median(empty.cost / one.cost for empty, one in pairs)
            line += f"; the read's rate to it {by_rate:.2f}, by processor {by_cost:.2f}"
        yield line


def measure_credentials(server: Server, keys: S3Credentials, rounds: int) -> Iterator[str]:
    """Temporary credentials through the server, against boto3's AssumeRole at the engine itself."""
    sts = boto3.session.Session(keys.access_key_id, keys.secret_access_key).client(
        "sts", endpoint_url=keys.endpoint, region_name=keys.region
    )
    policy = json.dumps(compile_policy(keys.bucket, read=["bench/datasets/cats/"]))
    http = Http(server.address, server.token)
    request = CredentialsRequest(scope="bench/datasets/cats", operation=Operation.READ)

    def bare() -> None:
        sts.assume_role(
            RoleArn=ROLE, RoleSessionName="bench-session", Policy=policy, DurationSeconds=3600
        )

    def ours() -> None:
        http.post(quoted("credentials"), request, S3Credentials)

    for warm in (bare, ours) * 5:
        warm()
    pairs = [(timed(bare), timed(ours)) for _ in range(rounds)]
    theirs, own = (sorted(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for other, one in pairs)
    yield (
        f"a bare AssumeRole {statistics.median(theirs) * 1e3:.1f} ms (best {theirs[0] * 1e3:.1f}), "
        f"temporary credentials {statistics.median(own) * 1e3:.1f} ms (best {own[0] * 1e3:.1f}): "
        f"{ratio:.2f} times as long (wanted: <= 1.5)"
    )


def measure_list(server: Server, keys: S3Credentials, rounds: int) -> Iterator[str]:
    """The versions of one name, with rights applied: processor of the server alone."""
    name = Name("bench", Kind.DATASETS, "versions")
    fill(open_store(keys), name)
    http = Http(server.address, server.token)

    def ours() -> None:
        found = http.get(quoted("spaces", "bench", "datasets", name.name, "versions"), VersionList)
        assert len(found.items) == VERSIONS

    ours()
    cpu = server.cpu()
    seconds = statistics.median(timed(ours) for _ in range(rounds))
    each = (server.cpu() - cpu) / rounds
    yield (
        f"a list of {VERSIONS:,} versions: {each * 1e3:.1f} ms of the server's processor, "
        f"{seconds * 1e3:.1f} ms in all (wanted: <= 50 ms of processor)"
    )


def fill(store: ObjectStore, name: Name) -> None:
    """Give a name its versions: entries in its log, which is all that a list reads."""

    def append(number: int) -> None:
        entry = Commit(
            at=datetime.now(UTC),
            by="user:admin",
            write_id=f"{number}",
            version=f"{number:064x}",
            manifest=f"manifest-{number:064x}.parquet",
            files=1,
            bytes=1,
            objects=[StoredObject(f"{number:064x}/a.txt", 1)],
            message=f"Version {number} of a thousand",
            metadata={"number": number},
        )
        assert append_entry(store, name, number, entry)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(append, range(VERSIONS)))


def timed(work: Callable[[], None]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


@contextmanager
def running(work: Path) -> Iterator[tuple[Server, S3Credentials]]:
    """An engine, and a server over it, while the block runs."""
    with SeaweedEngine(work / "engine") as engine:
        keys = engine.credentials
        command = [sys.executable, __file__, "serve"]
        with serving(work, keys, command) as (environment, process):
            admin = environment["KS_TOKEN"]
            with ks.connect(environment["KS_URL"], token=admin) as storage:
                storage.admin.create_user("reader")
                storage.admin.create_grant("user:reader", "reader", "bench")
                token = storage.admin.create_token("reader").secret
            yield Server(environment["KS_URL"], token, process), keys


def serve() -> None:
    """`ks serve`, whose worker also answers the empty routes."""

    @get(BARE, status_code=204)
    async def answer_bare() -> None: ...

    @get(HERE, status_code=204)
    async def answer_here() -> None: ...

    bare = Litestar([answer_bare], openapi_config=None, logging_config=None)
    create_app = app.create_app

    class Both:
        """The server's application, and the bare one beside it."""

        def __init__(self, *parts: Any) -> None:
            self.ours = create_app(*parts)
            self.ours.register(answer_here)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.ours, name)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            asked = bare if scope.get("path") == BARE else self.ours
            await asked(scope, receive, send)

    app.create_app = Both  # type: ignore[assignment]
    run_ks(sys.argv[1:])


def main() -> None:
    if "serve" in sys.argv[1:2]:
        serve()
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ks-control-") as folder,
        running(Path(folder)) as (server, keys),
    ):
        for part in (
            measure_reads(server, options.rounds, options.seconds),
            measure_credentials(server, keys, 20 * options.rounds),
            measure_list(server, keys, 3 * options.rounds),
        ):
            for line in part:
                print(line, flush=True)


if __name__ == "__main__":
    main()
