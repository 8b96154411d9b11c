"""A server of its own with small limits: `ks serve` in a process, as users have it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import klarity_storage as ks
from server_fixture import start_server

LIMITS = """
[query]
at_once = 2
each = 1
waiting = 1
patience = 1
seconds = 6
memory = 67108864
spill = 16777216
rows = 200000
"""


@dataclass(frozen=True)
class Small:
    """The server, and its tables ``lab.numbers`` (100,000 rows) and ``lab.few`` (2,000)."""

    address: str
    pid: int
    data: Path
    admin: ks.Storage
    token: str

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=60)

    def user_token(self, name: str) -> str:
        """A reader's token."""
        if name not in {user.name for user in self.admin.admin.get_users()}:
            self.admin.admin.create_user(name)
            self.admin.admin.create_grant(f"user:{name}", "reader", "lab")
        return self.admin.admin.create_token(name).secret

    def workers(self) -> set[int]:
        """The processes that run queries."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_text()
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                except OSError:
                    continue
                if "server.queries.worker" in line and int(parent) == self.pid:
                    found.add(int(entry.name))
        return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    home = tmp_path_factory.mktemp("small")
    data = home / "data"
    data.mkdir()
    (data / "klarity.toml").write_text(LIMITS)
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as admin:
            admin.create_space("lab")
            for table, count in (("numbers", 100_000), ("few", 2_000)):
                rows = {"n": range(count), "text": [os.urandom(16).hex() for _ in range(count)]}
                admin.push_data_frame(f"lab/tables/{table}", rows)
            yield Small(address, process.pid, data, admin, token)
    finally:
        process.terminate()
        process.wait(30)
