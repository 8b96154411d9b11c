"""A real nginx before a real server: on free ports, in a folder of its own, unprivileged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import klarity_storage as ks
from klarity_storage.server.engines.ports import choose_ports
from server_fixture import start_server
from wire import Wire

PAGE = "https://app.example.org"
"""A page that may read."""


def find_nginx() -> str:
    """Where Debian keeps it is not on everybody's path."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "install nginx: sh deploy/test-tools.sh"
    return found


def checked(config: Path) -> subprocess.CompletedProcess[str]:
    """What ``nginx -t`` says of a configuration."""
    return subprocess.run(
        [find_nginx(), "-t", "-c", str(config)], capture_output=True, text=True, check=False
    )


@contextmanager
def running_nginx(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """nginx in a process group of its own, from when it takes connections."""
    process = subprocess.Popen(
        [find_nginx(), "-c", str(config), "-g", "daemon off;"], start_new_session=True
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def ks_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the program ``ks`` does."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("ks")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=120,
    )


def _free_ports() -> tuple[int, int, int, int]:
    found = choose_ports()
    return found.master, found.s3, found.volume, found.filer


@dataclass
class Site:
    """A server and nginx before it."""

    folder: Path
    settings: str = ""
    """More of klarity.toml; ``[proxy]`` goes on in its first lines."""
    scheme: str = "http"
    stall: int = 60
    ports: tuple[int, int, int, int] = field(default_factory=_free_ports)
    """Of server, engine, nginx for files and API, and nginx for S3."""
    process: subprocess.Popen[bytes] | None = None
    token: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "nginx.conf"

    @property
    def address(self) -> str:
        """As clients reach it: nginx."""
        return f"{self.scheme}://127.0.0.1:{self.ports[2]}"

    @property
    def s3(self) -> str:
        """As clients reach S3: nginx."""
        return f"{self.scheme}://127.0.0.1:{self.ports[3]}"

    @property
    def direct(self) -> str:
        """The server without nginx."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def configure(self) -> None:
        """Write both configurations."""
        server, engine, _, _ = self.ports
        self.data.mkdir(mode=0o700, exist_ok=True)
        (self.data / "klarity.toml").write_text(
            f'[server]\nport = {server}\ntrusted_proxies = ["127.0.0.1"]\n'
            f'[engine]\nport = {engine}\npublic_endpoint = "{self.s3}"\n'
            f'[files]\norigins = ["{PAGE}"]\nstall = {self.stall}\n'
            f'[proxy]\naddress = "{self.address}"\n{self.settings}'
        )
        done = ks_command("proxy", "config", "--data", str(self.data))
        assert done.returncode == 0, done.stderr
        self.config.write_text(done.stdout)

    def start(self) -> None:
        """Start the server."""
        self.process, _, token = start_server(self.data, "--port", str(self.ports[0]))
        self.token = self.token or token

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def admin(self) -> ks.Storage:
        """The administrator, through nginx."""
        return ks.connect(self.address, token=self.token)

    def user(self, *grants: tuple[str, str]) -> str:
        """The token of a new user with these ``(role, pattern)`` grants."""
        name = f"u{uuid4().hex[:12]}"
        with self.admin() as storage:
            storage.admin.create_user(name)
            for role, pattern in grants:
                storage.admin.create_grant(f"user:{name}", role, pattern)
            return storage.admin.create_token(name).secret

    def wire(self, token: str | None = None) -> Wire:
        """HTTP through nginx, as the administrator unless a token is named."""
        return Wire(self.address, self.token if token is None else token or None)

    def audit(self, **wanted: object) -> list[dict[str, object]]:
        """Lines of the audit log, oldest first, with these fields."""
        lines = [
            json.loads(line)
            for day in sorted((self.data / "audit").glob("*.jsonl"))
            for line in day.read_text().splitlines()
        ]
        return [line for line in lines if wanted.items() <= line.items()]


@contextmanager
def running_site(
    folder: Path, settings: str = "", scheme: str = "http", stall: int = 60
) -> Iterator[Site]:
    """A server and nginx before it, until both have ended."""
    site = Site(folder, settings, scheme, stall)
    site.configure()
    with running_nginx(site.config, site.ports[2]):  # first: the engine takes any free ports
        try:
            site.start()
            yield site
        finally:
            site.stop()
