"""The doctor must find what is well, and must not find it where it is not."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.cli.main import main
from klarity_storage.client.doctor import cache
from klarity_storage.client.doctor.check import Check, Outcome, Report
from klarity_storage.client.doctor.diagnose import diagnose
from klarity_storage.server.engines.sts import open_store
from server_fixture import RunningServer, start_server

FORBIDDEN = {
    "must not list the bucket",
    "must not list another prefix",
    "must not list a prefix that begins alike",
    "must not read a foreign object",
    "must not write with keys to read",
    "must not delete with keys to read",
    "must not take the engine's role",
}
FORBIDDEN_TO_WRITERS = {
    "must not write outside of what they are for",
    "must not write to another name",
    "must not delete with keys to write",
    "must not copy a foreign object",
}

TOO_OPEN = """
import sys
from datetime import UTC, datetime, timedelta
import msgspec
from klarity_storage.cli.main import main
from klarity_storage.server.engines.seaweed import SeaweedEngine

def root_keys(self, policy, session, duration):
    ends = datetime.now(UTC) + timedelta(seconds=duration)
    return msgspec.structs.replace(self.credentials, expires_at=ends)

SeaweedEngine.assume = root_keys
main(sys.argv[1:])
"""
"""A server that gives out the keys of the whole bucket, whatever is asked for."""


def found(target: str, token: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in diagnose(target, token)}


def outcomes(checks: dict[str, Check], outcome: Outcome) -> set[str]:
    return {name for name, check in checks.items() if check.outcome is outcome}


def token_of(server: RunningServer, *grants: tuple[str, str]) -> str:
    with server.user(*grants) as storage:
        name = storage.whoami().principal.removeprefix("user:")
    return server.admin.admin.create_token(name).secret


def objects(server: RunningServer, space: str) -> set[str]:
    keys = server.admin.credentials(space).current
    return {item["path"] for batch in open_store(keys).list(f"{space}/") for item in batch}


@pytest.fixture
def two(server: RunningServer, space: str, plant: PlantTree) -> list[str]:
    """Two names of one space, each with a version."""
    server.admin.create_space(space)
    names = [f"{space}/datasets/cats", f"{space}/datasets/dogs"]
    for name in names:
        server.admin.push(name, plant({"a.txt": name.encode()}, name.rpartition("/")[2]))
    return names


@pytest.mark.real
def test_all_is_well_and_nothing_is_left(server: RunningServer, space: str, two: list[str]) -> None:
    before = objects(server, space)
    checks = found(server.address, token_of(server, ("owner", space)))
    assert outcomes(checks, Outcome.FAIL) == set()
    assert outcomes(checks, Outcome.SKIP) <= {"cache modes"}
    assert set(checks) >= FORBIDDEN | FORBIDDEN_TO_WRITERS | {"read", "write", "clock", "token"}
    assert "GET" in checks["read"].told
    assert objects(server, space) == before


@pytest.mark.real
def test_a_reader_tries_what_a_reader_may(server: RunningServer, two: list[str]) -> None:
    checks = found(server.address, token_of(server, ("reader", two[0])))
    assert outcomes(checks, Outcome.FAIL) == set()
    assert "write" in outcomes(checks, Outcome.SKIP)
    assert {name for name in checks if name.startswith("must not")} == FORBIDDEN


@pytest.mark.real
def test_who_has_no_grant_has_nothing_to_try(server: RunningServer) -> None:
    checks = found(server.address, token_of(server))
    assert outcomes(checks, Outcome.FAIL) == set()
    assert {"grants", "engine"} <= outcomes(checks, Outcome.SKIP) or server.admin.get_spaces()


@pytest.mark.real
@pytest.mark.parametrize("kind", ["datasets/c*", "tables", "tables/runs-?"])
def test_a_writer_of_a_pattern(server: RunningServer, space: str, kind: str) -> None:
    server.admin.create_space(space)
    checks = found(server.address, token_of(server, ("writer", f"{space}/{kind}")))
    assert outcomes(checks, Outcome.FAIL) == set()
    assert {"read", "write"} <= outcomes(checks, Outcome.PASS)
    assert objects(server, space) == set()


@pytest.fixture
def too_open(tmp_path: Path, plant: PlantTree) -> Iterator[tuple[str, str]]:
    """The address and the administrator's token of a server whose engine is too open."""
    program = tmp_path / "too_open.py"
    program.write_text(TOO_OPEN)
    data = tmp_path / "open"
    process, address, token = start_server(data, program=[sys.executable, str(program)])
    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
            for name in ("cats", "dogs"):
                storage.push(f"vision/datasets/{name}", plant({"a": name.encode()}, name))
        yield address, token
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.real
def test_an_engine_that_is_too_open_is_found_out(
    too_open: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, token = too_open
    with ks.connect(address, token=token) as storage:
        store = open_store(storage.credentials("vision").current)
    before = {item["path"] for batch in store.list() for item in batch}
    checks = found(address, token)
    assert outcomes(checks, Outcome.FAIL) == FORBIDDEN | FORBIDDEN_TO_WRITERS
    for name in FORBIDDEN:
        assert "at once" in str(checks[name].remedy)
    assert {item["path"] for batch in store.list() for item in batch} == before
    monkeypatch.setenv("KS_URL", address)
    monkeypatch.setenv("KS_TOKEN", token)

    def run(*line: str) -> str:
        result = CliRunner().invoke(main, line)
        assert result.exit_code == 1
        return result.stdout

    assert "FAIL  must not list the bucket" in run("doctor")
    report = msgspec.json.decode(run("doctor", "--json"), type=Report)
    assert not report.healthy
    told = set(run("doctor", "-q").splitlines())
    assert told == FORBIDDEN | FORBIDDEN_TO_WRITERS


@pytest.mark.real
def test_the_token(server: RunningServer) -> None:
    soon = server.admin.admin.create_token(expires_in=600)
    check = found(server.address, soon.secret)["token"]
    assert (check.outcome, check.remedy) == (
        Outcome.FAIL,
        "ks token create --expires-in 30d, then ks login.",
    )
    server.admin.admin.revoke_token(soon.token.id)
    checks = found(server.address, soon.secret)
    assert "revoked" in checks["token"].told
    assert checks["engine"].outcome is Outcome.SKIP
    missing = found(server.address)["token"]
    assert (missing.outcome, "ks login" in str(missing.remedy)) == (Outcome.FAIL, True)


@contextmanager
def answering(
    version: str = ks.__version__, off: timedelta = timedelta(0), body: bytes | None = None
) -> Iterator[str]:
    """A server with another clock, or of another version, or of another kind."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = json.dumps({"name": "Klarity Storage", "version": version}).encode()
            self.send_response(200 if self.path == "/v1/server" else 401)
            self.end_headers()
            self.wfile.write(told if body is None else body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(UTC) + off, usegmt=True)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("off", "outcome"), [(0, Outcome.PASS), (-300, Outcome.FAIL), (300, Outcome.FAIL)]
)
def test_the_clock(off: int, outcome: Outcome) -> None:
    with answering(off=timedelta(seconds=off)) as url:
        check = found(url, "ks_x")["clock"]
    assert check.outcome is outcome
    if off:
        assert ("behind" if off > 0 else "ahead") in check.told


def test_versions_and_what_is_no_server() -> None:
    with answering(version="9.9.0") as url:
        check = found(url, "ks_x")["versions"]
    assert check.outcome is Outcome.FAIL
    assert "klarity-storage==9.9.0" in str(check.remedy)
    with answering(body=b"<html>") as url:
        checks = found(url, "ks_x")
    assert "no Klarity Storage server" in checks["connection"].told
    assert {"clock", "token", "engine"} <= outcomes(checks, Outcome.SKIP)


def test_a_server_that_does_not_answer() -> None:
    check = found("http://127.0.0.1:1", "ks_x")["connection"]
    assert (check.outcome, "refused" in check.told) == (Outcome.FAIL, True)


def test_what_is_not_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klarity_storage.client.doctor.connection._LOOPBACK", ())
    with answering() as url:
        check = found(url, "ks_x")["encryption"]
    assert (check.outcome, "reads your token" in check.told) == (Outcome.FAIL, True)


def test_a_certificate_of_nobody(tmp_path: Path) -> None:
    subprocess.run(
        shlex.split(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 "
            "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout k.pem -out c.pem"
        ),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    program = (
        "import ssl, sys\n"
        "from http.server import HTTPServer, BaseHTTPRequestHandler\n"
        "class Handler(BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        '        body = b\'{"name": "x", "version": "0.1.0"}\'\n'
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def log_message(self, *args): pass\n"
        "server = HTTPServer(('127.0.0.1', 0), Handler)\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain('c.pem', 'k.pem')\n"
        "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = f"https://localhost:{process.stdout.readline().strip()}"
            check = found(url, "ks_x")["connection"]
            assert check.outcome is Outcome.FAIL
            assert "SSL_CERT_FILE" in str(check.remedy)
            os.environ["SSL_CERT_FILE"] = str(tmp_path / "c.pem")
            check = found(url, "ks_x")["encryption"]
            assert (check.outcome, "ends" in check.told) == (Outcome.FAIL, True)
        finally:
            os.environ.pop("SSL_CERT_FILE", None)
            process.terminate()


def test_a_directory(tmp_path: Path) -> None:
    store = tmp_path / "not" / "yet"
    checks = found(str(store))
    assert outcomes(checks, Outcome.FAIL) == set()
    assert {"directory", "room", "cache"} <= outcomes(checks, Outcome.PASS)
    assert {"token", "engine"} <= outcomes(checks, Outcome.SKIP)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert outcomes(found(str(tmp_path / "file")), Outcome.FAIL) == {"directory"}


def test_the_cache(tmp_path: Path, plant: PlantTree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["KS_CACHE"])
    objects = folder / "objects" / "ab"
    objects.mkdir(parents=True)
    file = objects / ("ab" * 32)
    file.write_bytes(b"x")
    file.chmod(0o444)
    assert found(str(tmp_path))["cache modes"].outcome is Outcome.PASS
    file.chmod(0o644)
    check = found(str(tmp_path))["cache modes"]
    assert (check.outcome, str(file) in check.told) == (Outcome.FAIL, True)
    file.chmod(0o444)
    folder.chmod(0o777)
    assert found(str(tmp_path))["cache modes"].remedy == f"chmod o-w {folder}"
    folder.chmod(0o700)
    monkeypatch.setattr(cache, "LEAST_FREE", 1 << 62)
    assert found(str(tmp_path))["cache room"].outcome is Outcome.FAIL
    monkeypatch.setenv("KS_CACHE_SIZE", "much")
    assert "not a size" in found(str(tmp_path))["cache room"].told
    monkeypatch.setenv("KS_CACHE", "/proc/klarity")
    monkeypatch.delenv("KS_CACHE_SIZE")
    check = found(str(tmp_path))["cache"]
    assert (check.outcome, check.remedy) == (Outcome.FAIL, "Set KS_CACHE to a folder of yours.")


def test_what_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    checks = {check.name: check for check in diagnose()}
    assert checks["configuration"].outcome is Outcome.FAIL
    assert "ks login" in str(checks["configuration"].remedy)
