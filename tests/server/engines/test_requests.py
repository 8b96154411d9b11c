"""What the engine logs of S3 requests, and in whose name."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import GenericError

from control_fixture import open_store, running_control
from klarity_storage.errors import StorageError
from klarity_storage.server.engines.requests import SOCKET, RequestLog
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.versions.engine_errors import told_as_ours
from waiting import until

Lines = list[dict[str, Any]]


def lines_of(folder: Path) -> Lines:
    return [
        json.loads(line)
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def once(found: Callable[[], Lines]) -> Lines:
    """What is found, once there is something: the engine tells of a request after its answer."""
    until(found)
    return found()


@pytest.mark.real
def test_the_id_of_the_request_reaches_the_engines_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        SeaweedEngine(data, request_days=30) as engine,
        running_control(data, engine) as control,
    ):
        control.space("vision")
        bob = control.user("bob")
        control.grant("user:bob", "reader", "vision/datasets/cats")
        engine.store.put("vision/datasets/cats/x", b"meow")
        engine.store.put("vision/datasets/dogs/x", b"woof")
        store = open_store(bob, "vision/datasets/cats")
        [line] = [x for x in control.audit() if x["operation"] == "issue_credentials"]
        store.get("vision/datasets/cats/x")
        with pytest.raises(StorageError), told_as_ours("the dogs"):
            store.get("vision/datasets/dogs/x")

        def his() -> Lines:
            every = lines_of(data / "logs" / "s3")
            found = [x for x in every if x["session"].endswith(line["request_id"])]
            return found if len(found) == 2 else []

        allowed, refused = once(his)
        assert allowed["session"] == f"user-bob-{line['request_id']}"
        assert (allowed["operation"], allowed["status"]) == ("REST.GET.OBJECT", 200)
        assert allowed["key"] == "vision/datasets/cats/x"
        assert (refused["status"], refused["error"]) == (403, "AccessDenied")
        assert refused["key"] == "vision/datasets/dogs/x"
        assert {x["session"] for x in lines_of(data / "logs" / "s3")} >= {"server"}
        assert engine.credentials.secret_access_key not in str(lines_of(data / "logs" / "s3"))
    assert not (data / "engine" / SOCKET).exists()


@pytest.mark.real
def test_an_engine_that_was_killed_logs_on(tmp_path: Path) -> None:
    data = tmp_path / "data"

    def asked() -> Lines:
        return [x for x in lines_of(data / "logs" / "s3") if x.get("key") == "a/b"]

    with SeaweedEngine(data, request_days=30) as engine:
        engine.store.put("a/b", b"1")
        before = len(once(asked))
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        until(lambda: asked()[before:] or read_again(engine))


def read_again(engine: SeaweedEngine) -> Lines:
    """Read what the log is to tell of, once the engine is there again."""
    with suppress(GenericError):
        engine.store.get("a/b")
    return []


@pytest.fixture
def log(tmp_path: Path) -> RequestLog:
    (tmp_path / "engine").mkdir()
    return RequestLog(tmp_path / "engine", tmp_path / "s3", days=2)


def message(**record: Any) -> bytes:
    return json.dumps(["s3.access", 0, record, {}], ensure_ascii=False).encode()


def test_messages_that_are_cut_anywhere(log: RequestLog, tmp_path: Path) -> None:
    sent = b"".join(message(key=f"é/{n}]{{}}[", time=1, status=200) for n in range(50))
    log.start()
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(tmp_path / "engine" / SOCKET))
            for begin in range(0, len(sent), 97):
                engine.sendall(sent[begin : begin + 97])
            engine.sendall(b'["s3.access", 0, {"key": "torn')

        def all_of_them() -> Lines:
            found = lines_of(tmp_path / "s3")
            return found if len(found) == 50 else []

        lines = once(all_of_them)
    finally:
        log.stop()
    assert [line["key"] for line in lines] == [f"é/{n}]{{}}[" for n in range(50)]
    [file] = (tmp_path / "s3").iterdir()
    assert file.read_bytes().isascii()
    assert file.stat().st_mode & 0o077 == 0


def test_a_full_disk_loses_lines_and_says_so_once(
    log: RequestLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "s3").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        log.write([{"key": "a"}])
        log.write([{"key": "b"}])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    (tmp_path / "s3").unlink()
    log.write([{"key": "c"}])
    assert [line["key"] for line in lines_of(tmp_path / "s3")] == ["c"]


def test_days_that_are_past_are_dropped(log: RequestLog, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    (tmp_path / "s3").mkdir()
    for ago in range(1, 5):
        (tmp_path / "s3" / f"{today - timedelta(days=ago)}.jsonl").write_text("{}\n")
    (tmp_path / "s3" / "notes.jsonl").write_text("")
    log.write([{"key": "a"}])
    kept = sorted(file.stem for file in (tmp_path / "s3").iterdir())
    assert kept == [*(str(today - timedelta(days=ago)) for ago in (2, 1, 0)), "notes"]
