"""What a busy server leaves in its logs: everything that happened, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import klarity_storage as ks
from server_fixture import start_server
from waiting import until

pytestmark = pytest.mark.real

UNKNOWN = "ks_" + "Unknown-" * 5 + "abc"
FORGED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.Zm9yZ2VkLXNpZ25hdHVyZQ"


@dataclass
class Busy:
    """A server that was asked a lot, and what it was told or gave away meanwhile."""

    data: Path
    first: str = ""
    secrets: set[str] = field(default_factory=set)
    requests: dict[str, str] = field(default_factory=dict)
    """The operation that was asked for, by the request's id."""

    @property
    def text(self) -> str:
        return self.data.with_suffix(".log").read_text()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.fixture(scope="module")
def busy(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Busy]:
    data = tmp_path_factory.mktemp("busy") / "data"
    data.mkdir(mode=0o700)
    (data / "klarity.toml").write_text('[log]\nformat = "json"\nlevel = "debug"\n')
    process, address, first = start_server(data)
    seen = Busy(data)
    try:
        with ks.connect(address, token=first) as admin:
            work(seen, admin, address, first)
        until(lambda: all(number in seen.text for number in seen.requests))
        yield seen
    finally:
        process.terminate()
        assert process.wait(30) == 0


def work(seen: Busy, admin: ks.Storage, address: str, first: str) -> None:
    seen.first = first
    admin.create_space("vision")
    admin.admin.create_user("alice")
    secret = admin.admin.create_token("alice").secret
    admin.admin.create_grant("user:alice", "writer", "vision/datasets/*")
    seen.secrets |= {first, secret}
    folder = seen.data.parent / "cats"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"meow")
    with ks.connect(address, token=secret) as alice:
        alice.push("vision/datasets/cats", folder)
        alice.get_version("vision/datasets/cats").download(folder / "out")
        keys = alice.credentials("vision/datasets/cats").as_env()
        seen.secrets |= {keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]}
    engine = json.loads((seen.data / "engine" / "keys.json").read_text())
    seen.secrets |= {value for name, value in engine.items() if name != "access_key_id"}
    admin.push_data_frame("vision/tables/runs", [{"id": 1}])
    ask_wrongly(seen, address, secret)


def ask_wrongly(seen: Busy, address: str, secret: str) -> None:
    """Secrets where they do not belong, from many at once."""
    seen.secrets |= {UNKNOWN, FORGED}

    def ask(number: int) -> None:
        with httpx.Client(base_url=address, trust_env=False) as http:
            good = {"Authorization": f"Bearer {secret}"}
            for name, answer in {
                "whoami": http.get("/v1/whoami", headers=good),
                "unknown": http.get("/v1/whoami", headers={"Authorization": f"Bearer {UNKNOWN}"}),
                "forged": http.get("/v1/whoami", headers={"Authorization": f"Bearer {FORGED}"}),
                "basic": http.get("/v1/whoami", auth=("alice", secret)),
                "path": http.get(f"/v1/spaces/{secret}", headers=good),
                "query": http.get("/v1/tokens", params={"user": secret}, headers=good),
                "nowhere": http.get(f"/{secret}?token={secret}"),
                "body": http.post("/v1/spaces", json={"key": secret}, headers=good),
                "torn": http.post("/v1/sql", content=f'{{"q":"{secret}', headers=good),
                "sql": http.post("/v1/sql", json={"query": f"select '{secret}'"}, headers=good),
                "own id": http.get("/v1/whoami", headers=good | {"X-Request-Id": secret}),
            }.items():
                seen.requests[answer.headers["X-Request-Id"]] = name

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))


def test_no_secret_stands_in_any_log(busy: Busy) -> None:
    files = [
        busy.data.with_suffix(".log"),
        *(f for f in (busy.data / "logs").rglob("*") if f.is_file()),
    ]
    files += (busy.data / "audit").glob("*.jsonl")
    assert len(files) >= 3
    assert len(busy.secrets) >= 6
    for file in files:
        for line in file.read_text(errors="replace").splitlines():
            if line.endswith(f'"message":"{busy.first}"}}'):
                continue  # which the start shows, and nothing else with it
            assert not [s for s in busy.secrets if s in line], (file.name, line[:200])


def test_every_line_is_an_object_and_every_request_has_one(busy: Busy) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in busy.lines]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(x) for x in lines))
    access = [line for line in lines if line["logger"] == "klarity_storage.access"]
    assert set(busy.requests) <= {line["request"] for line in access}
    assert {line["principal"] for line in access} >= {"user:admin", "user:alice", "-"}
    assert {line["address"] for line in access} == {"127.0.0.1"}
    assert not [line for line in lines if "error" in line], "nothing went wrong of our own"


def test_the_first_token_is_shown_once(busy: Busy) -> None:
    told = [json.loads(line)["message"] for line in busy.lines]
    assert sum(message.startswith("ks_") for message in told) == 1
    assert "ready" in told
