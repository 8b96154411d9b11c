"""``ks serve`` as people run it: a process that is started, stopped, killed and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import klarity_storage as ks
from klarity_storage.server.main import ServerState
from waiting import until

pytestmark = pytest.mark.real

KS = str(Path(sys.executable).with_name("ks"))
TOKEN = re.compile(r"ks_[A-Za-z0-9_-]{43}")
PATIENCE = 60.0


class Process:
    """A running ``ks serve`` on a data directory and any free port."""

    def __init__(self, data: Path, *options: str, environment: Mapping[str, str] = {}) -> None:
        self.data = data
        self._said = data.with_name(f"{data.name}-stderr-{time.monotonic_ns()}")
        with self._said.open("wb") as stderr:
            self.process = subprocess.Popen(
                [KS, "serve", "--data", str(data), "--port", "0", *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **environment},
            )

    def ready(self) -> Process:
        until(lambda: "ready\n" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        return self

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def address(self) -> str:
        state = msgspec.json.decode((self.data / "server.json").read_bytes(), type=ServerState)
        assert state.pid == self.process.pid
        return state.address

    @property
    def token(self) -> str:
        [token] = TOKEN.findall(self.said)
        assert isinstance(token, str)
        return token

    def engine_pids(self) -> list[int]:
        return engines_of(self.data)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def engines_of(data: Path) -> list[int]:
    """Processes that run and name the data directory: by the kernel's word, not by a pid file."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"-dir={data.resolve()}/engine/data".encode() in words:
            found.append(int(folder.name))
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start_one(*options: str, data: Path | None = None, **more: Any) -> Process:
        started.append(Process(data or tmp_path / "data", *options, **more))
        return started[-1]

    yield start_one
    for each in started:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)
        if each.process.stdout is not None:
            each.process.stdout.close()


def refusal(*options: str, environment: Mapping[str, str] = {}) -> tuple[int, str]:
    """The exit code and the words of a server that does not start."""
    done = subprocess.run(
        [KS, "serve", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def push_cats(server: Process, token: str, folder: Path) -> str:
    folder.mkdir()
    (folder / "a.txt").write_text("committed")
    with ks.connect(server.address, token=token) as storage:
        storage.create_space("vision")
        return storage.push("vision/datasets/cats", folder, message="first").hash


def test_a_server_lives_stops_and_lives_again(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    first = start().ready()
    token = first.token
    version = push_cats(first, token, tmp_path / "cats")
    assert httpx.get(f"{first.address}/readyz").status_code == 200
    assert len(first.engine_pids()) == 1
    assert first.end() == 0
    assert first.engine_pids() == []
    assert not (first.data / "server.json").exists()

    second = start().ready()
    assert not TOKEN.search(second.said)
    assert second.address in second.said
    assert str(second.data) in second.said
    with ks.connect(second.address, token=token) as storage:
        assert storage.get_version("vision/datasets/cats").hash == version
    assert second.end(signal.SIGINT) == 0
    assert second.engine_pids() == []


def test_a_killed_server_takes_its_engine_along_and_loses_nothing(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    first = start().ready()
    token = first.token
    version = push_cats(first, token, tmp_path / "cats")
    first.end(signal.SIGKILL)
    second = start()  # at once: what is left of the first is the second's affair
    until(lambda: len(first.engine_pids()) <= 1)
    second.ready()
    with ks.connect(second.address, token=token) as storage:
        found = storage.get_version("vision/datasets/cats")
        assert found.hash == version
        with found.open("a.txt") as file:
            assert file.read() == b"committed"
    second.end(signal.SIGKILL)
    until(lambda: not second.engine_pids(), 10)


def test_a_killed_engine_comes_back(start: Callable[..., Process], tmp_path: Path) -> None:
    server = start().ready()
    token = server.token
    version = push_cats(server, token, tmp_path / "cats")
    [pid] = server.engine_pids()
    os.kill(pid, signal.SIGKILL)
    ready = f"{server.address}/readyz"
    until(lambda: server.engine_pids() not in ([], [pid]))
    until(lambda: httpx.get(ready, timeout=PATIENCE).status_code == 200)
    with ks.connect(server.address, token=token) as storage:
        found = storage.get_version(f"vision/datasets/cats@{version}")
        with found.open("a.txt") as file:
            assert file.read() == b"committed"


def test_an_open_connection_does_not_hold_up_the_end(start: Callable[..., Process]) -> None:
    server = start().ready()
    with httpx.Client(base_url=server.address) as http:
        assert http.get("/healthz").status_code == 200
        begin = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - begin < 8


def test_sigterm_during_the_start_leaves_nothing(start: Callable[..., Process]) -> None:
    server = start()
    until(server.engine_pids)
    assert server.end() != 0
    until(lambda: not server.engine_pids(), 10)
    start().ready()


def test_no_secret_reaches_the_screen_twice_or_the_disk_in_clear(
    start: Callable[..., Process],
) -> None:
    server = start().ready()
    token = server.token
    server.end()
    assert server.said.count(token) == 1
    for file in server.data.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file


def test_a_directory_in_use_is_refused(start: Callable[..., Process]) -> None:
    server = start().ready()
    code, said = refusal("--data", str(server.data), "--port", "0")
    assert code == 5
    assert f"{server.data} is in use by another server, process {server.process.pid}" in said
    assert server.engine_pids()


def test_a_taken_port_is_refused_before_anything_starts(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    port = start().ready().address.rsplit(":", 1)[1]
    other = tmp_path / "other"
    code, said = refusal("--data", str(other), "--port", port)
    assert code == 5
    assert f"Port {port} of 127.0.0.1 is taken" in said
    assert not (other / "engine").exists()


def test_a_wrong_key_is_refused_with_the_nearest_right_one(tmp_path: Path) -> None:
    config = tmp_path / "klarity.toml"
    config.write_text("[server]\nprot = 1\n")
    code, said = refusal("--data", str(tmp_path / "data"), "--config", str(config))
    assert code == 2
    assert "server.prot" in said
    assert str(config) in said
    assert "server.port" in said
    assert not (tmp_path / "data").exists()


def test_a_missing_program_is_refused_with_what_to_install(tmp_path: Path) -> None:
    # A Python of its own, whose packages are ours less the one that brings the program.
    hook = tmp_path / "sitecustomize.py"
    hook.write_text(
        "from klarity_storage.server.engines import binary\n"
        "binary._installed = lambda: None\n"
        "binary.sys = type('sys', (), {'executable': '/nowhere/python'})\n"
    )
    code, said = refusal(
        "--data", str(tmp_path / "data"), "--port", "0",
        environment={"PYTHONPATH": str(tmp_path), "PATH": "/nowhere"},
    )  # fmt: skip
    assert code == 2
    assert "weed" in said
    assert "klarity-storage[server]" in said


def test_an_engine_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    code, said = refusal(
        "--data", str(tmp_path / "data"), "--port", "0", "--engine", "s3",
        "--endpoint", "http://127.0.0.1:1", "--role-arn", "arn:aws:iam::1:role/r",
        environment={"KS_S3_ACCESS_KEY_ID": "key", "KS_S3_SECRET_ACCESS_KEY": "hidden-secret"},
    )  # fmt: skip
    assert code == 7
    assert "http://127.0.0.1:1 does not answer" in said
    assert "hidden-secret" not in said


def test_a_server_over_an_s3_that_stands_already(
    start: Callable[..., Process], tmp_path: Path, engine: Any
) -> None:
    own = engine.credentials
    server = start(
        "--engine", "s3", "--endpoint", own.endpoint,
        "--role-arn", "arn:aws:iam::000000000000:role/klarity",
        environment={
            "KS_S3_ACCESS_KEY_ID": own.access_key_id,
            "KS_S3_SECRET_ACCESS_KEY": own.secret_access_key,
        },
    ).ready()  # fmt: skip
    assert own.endpoint in server.said
    assert own.secret_access_key not in server.said
    assert server.engine_pids() == []
    with ks.connect(server.address, token=server.token) as storage:
        space = f"standing-{os.getpid()}"
        storage.create_space(space)
        (tmp_path / "m").write_text("weights")
        assert storage.push(f"{space}/models/m", tmp_path / "m").hash
    assert server.end() == 0
    assert engine.check() is None
