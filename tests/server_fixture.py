"""One whole server for a test session: `ks serve`, with its engine, as a child process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

import klarity_storage as ks

READY = re.compile(r'^ready$|"message":"ready"', re.MULTILINE)
TOKEN = re.compile(r"ks_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class RunningServer:
    """A server, and its first administrator."""

    process: subprocess.Popen[bytes]
    data: Path
    address: str
    admin: ks.Storage
    token: str

    def user(self, *grants: tuple[str, str]) -> ks.Storage:
        """A connection of a new user with these ``(role, pattern)`` grants."""
        name = f"u{uuid4().hex[:12]}"
        self.admin.admin.create_user(name)
        for role, pattern in grants:
            self.admin.admin.create_grant(f"user:{name}", role, pattern)
        return ks.connect(self.address, token=self.admin.admin.create_token(name).secret)


def start_server(
    data: Path, *options: str, program: Sequence[str] = (), **environment: str
) -> tuple[subprocess.Popen[bytes], str, str]:
    """Start a server, and return it, its address and the token that it printed, if any.

    The program is ``ks`` unless another one is named.
    """
    log = data.with_suffix(".log")
    ks_itself = str(Path(sys.executable).with_name("ks"))
    command = [*(program or [ks_itself]), "serve", "--data", str(data)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--port", "0", *options], stderr=stream, env=os.environ | environment
        )
    deadline = time.monotonic() + 60
    while not READY.search(log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.02)
    address: str = json.loads((data / "server.json").read_text())["address"]
    token = TOKEN.search(log.read_text())
    return process, address, token[0] if token else ""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Shared by all tests of a worker: each test uses a space of its own."""
    data = tmp_path_factory.mktemp("server") / "data"
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as admin:
            yield RunningServer(process, data, address, admin, token)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def owned(server: RunningServer, space: str) -> Iterator[ks.Storage]:
    """A connection of the owner of ``space``."""
    server.admin.create_space(space)
    with server.user(("owner", space)) as storage:
        yield storage
