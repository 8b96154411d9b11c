"""A PostgreSQL of its own for a test session: Debian's, on a Unix socket, as an ordinary user."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

PASSWORD = "p@ss/word:" + secrets.token_hex(8)
"""With characters that a URL has to quote."""


class Postgres:
    """A cluster in a folder below the system's temporary one: a socket's path must be short."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # initdb and postgres refuse to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._make()

    def url(self, name: str, password: str = PASSWORD) -> str:
        """Of a database: the user is its owner."""
        return f"postgresql://klarity:{quote(password, safe='')}@/{name}?host={self.folder}"

    def create(self) -> str:
        """The URL of what is empty: a schema of its own, which takes a hundredth of a database."""
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE SCHEMA {name}")
        return f"{self.url('postgres')}&options=-csearch_path%3D{name}"

    def create_database(self, options: str = "") -> str:
        """The URL of a new, empty database."""
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def run(self, command: str) -> list[Any]:
        """Run SQL as the superuser, outside of any database of the tests."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Run, until it takes connections; once is as good as twice."""
        if self._process is not None:
            return
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self._data)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it and every connection; SIGQUIT does so without a farewell."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        try:
            self._call(
                "initdb", "-D", self._data, "-U", "klarity", "--pwfile", secret, "--no-sync",
                "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions",
            )  # fmt: skip
        finally:
            secret.unlink()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "100",
        }
        lines = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(lines)

    def _call(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [_program(program), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, done.stderr


def _program(name: str) -> str:
    """Debian keeps them out of PATH, a folder a version."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4])
    )
    program = str(found[-1]) if found else shutil.which(name)
    assert program, "there is no PostgreSQL: run deploy/test-tools.sh"
    return program


def _running() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="ks-pg-"))
    try:
        running = Postgres(folder)
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGQUIT)  # nobody needs its checkpoint
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Shared by all tests of a worker: each makes databases of its own."""
    yield from _running()


@pytest.fixture(scope="session")
def _other_postgres() -> Iterator[Postgres]:
    yield from _running()


@pytest.fixture
def lone_postgres(_other_postgres: Postgres) -> Postgres:
    """One that a test may stop."""
    _other_postgres.start()
    return _other_postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """An empty control database of each kind: what ``database.url`` says; None is SQLite."""
    if request.param == "sqlite":
        return None
    create: Callable[[], str] = request.getfixturevalue("postgres").create
    return create()
