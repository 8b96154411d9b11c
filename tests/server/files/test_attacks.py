"""Addresses that mean to lead elsewhere, and requests that mean to cost much."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import klarity_storage as ks
from server_fixture import RunningServer
from wire import Heard, Wire

pytestmark = pytest.mark.real

Plant = Callable[..., Path]
WireOf = Callable[[ks.Storage], Wire]


def code(heard: Heard) -> tuple[int, str]:
    assert heard["content-type"] == "application/problem+json", heard.body
    return heard.status, json.loads(heard.body)["code"]


@pytest.fixture
def hashes(owned: ks.Storage, space: str, plant: Plant) -> dict[str, str]:
    """Versions of names that lie beside each other."""
    return {
        name: owned.push(f"{space}/datasets/{name}", plant({"key": name.encode()}, name)).hash
        for name in ("cats", "cats2", "secret")
    }


@pytest.fixture
def reader(server: RunningServer, wire_of: WireOf, space: str, hashes: dict[str, str]) -> Wire:
    """Who may read cats, and nothing beside."""
    with server.user(("reader", f"{space}/datasets/cats")) as storage:
        return wire_of(storage)


def test_siblings_are_closed(reader: Wire, space: str, hashes: dict[str, str]) -> None:
    assert reader(f"/files/{space}/datasets/cats/{hashes['cats']}/key").body == b"cats"
    for name in ("cats2", "secret", "cat"):
        version = hashes.get(name, hashes["cats"])
        for address in (f"{version}/key", f"{version}/", "latest/key", "0000/"):
            heard = reader(f"/files/{space}/datasets/{name}/{address}")
            assert code(heard) == (404, "version_not_found")
    assert code(reader(f"/files/{space}/models/cats/{hashes['cats']}/key"))[0] == 404
    assert code(reader(f"/files/{space}/datasets/cats/{hashes['secret']}/key"))[0] == 404


def test_unseen_looks_like_absent(
    server: RunningServer, reader: Wire, space: str, hashes: dict[str, str]
) -> None:
    """The same words, and the same work: no log and no manifest is read before the decision."""

    def told(heard: Heard, *names: str) -> str:
        text = heard.body.decode()
        for name in (*names, heard["x-request-id"]):
            text = text.replace(name, "…")
        return f"{heard.status} {sorted(set(heard.headers) - {'date'})} {text}"

    version = hashes["secret"]
    pairs = [
        (f"/files/{space}/datasets/secret/{version}/key", "secret"),
        (f"/files/{space}/datasets/nobody/{version}/key", "nobody"),
        (f"/files/{space}/datasets/secret/latest/", "secret"),
        (f"/files/{space}/datasets/nobody/latest/", "nobody"),
    ]
    said = [told(reader(path), name) for path, name in pairs]
    assert said[0] == said[1]
    assert said[2] == said[3]
    tables = [reader(f"/files/{space}/tables/{name}/x.parquet") for name in ("secret", "nobody")]
    assert told(tables[0], "secret") == told(tables[1], "nobody")
    other = reader(f"/files/no{space}/datasets/secret/{version}/key")
    assert told(other, f"no{space}", "secret") == said[0].replace(space, "…")


@pytest.mark.parametrize(
    "escape",
    [
        "../secret/{secret}/key",
        "..%2fsecret%2f{secret}%2fkey",
        "%2e%2e/secret/{secret}/key",
        "%2e%2e%2fsecret/{secret}/key",
        "%252e%252e/secret/{secret}/key",
        "{cats}/../../secret/{secret}/key",
        "{cats}/%2e%2e/%2e%2e/secret/{secret}/key",
        "{cats}/..%5c..%5csecret%5c{secret}%5ckey",
        "{cats}/.%00./key",
        "{cats}/%c0%ae%c0%ae/key",
        "{cats}/\uff0e\uff0e/\uff0e\uff0e/secret/{secret}/key",
        "{cats}/\u2024\u2024/key",
        "{cats}//key",
        "{cats}/./key",
        "{cats}/_ks/manifest-{secret}.parquet",
        "{cats}/%5fks/manifest-{secret}.parquet",
        "{cats}/key%00.png",
        "{cats}/key%0d%0aX-Evil:%201",
        "{cats}/%",
        "{cats}/%zz",
        "*/key",
        "?/key",
        "cat%2a/key",
    ],
)
def test_no_address_leads_out(
    reader: Wire, space: str, hashes: dict[str, str], escape: str
) -> None:
    path = escape.format(**hashes)
    quoted = "".join(c if ord(c) < 128 else "".join(f"%{b:02x}" for b in c.encode()) for c in path)
    heard = reader(f"/files/{space}/datasets/cats/{quoted}")
    assert code(heard)[0] in {400, 404}, heard
    assert "x-evil" not in heard.headers


@pytest.mark.parametrize(
    "prefix",
    [
        "/files/{space}/datasets/cats%2f..%2fsecret/{secret}/key",
        "/files/{space}/datasets/cat*/{cats}/key",
        "/files/{space}/datasets/cat%2a/{cats}/key",
        "/files/{space}/datasets/cat?/{cats}/key",
        "/files/{space}/datasets/%EF%BD%83ats/{cats}/key",
        "/files/{space}/datasets/c\u0430ts/{cats}/key",
        "/files/{space}/datasets/CATS/{cats}/key",
        "/files/{space}/datasets/cats%20/{cats}/key",
        "/files/{space}/datasets%2fcats/{cats}/key",
        "/files/{space}//datasets/cats/{cats}/key",
        "//files/{space}/datasets/secret/{secret}/key",
        "/files/../files/{space}/datasets/secret/{secret}/key",
        "/%66iles/{space}/datasets/secret/{secret}/key",
        "/files/{space}/raw_binary/secret/1/key",
        "/files/{space}/raw_binary/secret/%2e%2e/key",
        "/files/{space}/raw_binary/secret/../../datasets/cats/{cats}/key",
        "/files/{space}/tables/runs/../../datasets/secret/{secret}/key",
        "/files/{space}/nonsense/cats/{cats}/key",
        "/files/{space}/datasets/cats",
        "/files/{space}",
        "/files/",
    ],
)
def test_no_name_is_another(reader: Wire, space: str, hashes: dict[str, str], prefix: str) -> None:
    path = prefix.format(space=space, **hashes)
    quoted = "".join(c if ord(c) < 128 else "".join(f"%{b:02x}" for b in c.encode()) for c in path)
    assert code(reader(quoted))[0] in {400, 404}


def test_names_with_glob_characters_are_only_themselves(
    owned: ks.Storage, wire: Wire, space: str, plant: Plant
) -> None:
    tree = {"a*": b"star", "ab": b"plain", "[a]": b"bracket", "%2e%2e": b"escape", "a?b": b"ask"}
    version = owned.push(f"{space}/datasets/odd", plant(tree))
    base = f"/files/{version.name}/{version.hash}"
    for path, data in tree.items():
        quoted = "".join(f"%{byte:02X}" for byte in path.encode())
        assert wire(f"{base}/{quoted}").body == data
    assert wire(f"{base}/*").status == 404
    assert wire(f"{base}/%2e%2e").status == 400  # decoded once, it is a way out
    assert wire(f"{base}/%252e%252e").body == b"escape"  # and this is a name


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=",
        "bytes=-",
        "bytes=--5",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0-1,x",
        "bytes=1-2-3",
        "bytes=99-",
        "bytes=-0",
        "bytes=9" + "9" * 500 + "-",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 100_000, 300)),
        "bytes=" + "0-," * 5_000,
        "bytes=0-0, 1000000-1000001",
    ],
)
def test_ranges_that_cannot_be_served(
    wire: Wire, space: str, hashes: dict[str, str], ranges: str
) -> None:
    heard = wire(f"/files/{space}/datasets/cats/{hashes['cats']}/key", range=ranges)
    if ranges == "bytes=0-0, 1000000-1000001":
        assert (heard.status, heard.body) == (206, b"c")  # one of them is there
        return
    assert code(heard) == (416, "range_not_satisfiable")
    assert heard["content-range"] == "bytes */4"


def test_units_that_are_not_known_are_ignored(
    wire: Wire, space: str, hashes: dict[str, str]
) -> None:
    path = f"/files/{space}/datasets/cats/{hashes['cats']}/key"
    for ranges in ("rows=0-1", "bytes", "0-1"):
        assert wire(path, range=ranges).status == 200
    assert wire(path, range="BYTES=0-1").body == b"ca"


def test_hundreds_of_ranges_that_touch_are_one(
    wire: Wire, space: str, hashes: dict[str, str]
) -> None:
    path = f"/files/{space}/datasets/cats/{hashes['cats']}/key"
    heard = wire(path, range="bytes=" + ",".join(["0-3"] * 150))
    assert (heard.status, heard.body) == (206, b"cats")


def test_methods_and_bodies(wire: Wire, space: str, hashes: dict[str, str]) -> None:
    path = f"/files/{space}/datasets/cats/{hashes['cats']}/key"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        heard = wire(path, method)
        assert code(heard) == (405, "method_not_allowed")
    allowed = wire(path, "OPTIONS")
    assert allowed.status == 204
    assert set(allowed["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert code(wire(path, body=b"{}")) == (400, "invalid_input")
    assert code(wire(path, body=b"x" * 70_000)) == (400, "invalid_input")


@pytest.mark.parametrize("slashes", [10, 3_000, 60_000, 1_000_000])
def test_slashes(server: RunningServer, wire: Wire, space: str, slashes: int) -> None:
    where = urlsplit(server.address)
    path = f"/files/{space}/datasets/cats/latest" + "/" * slashes
    with socket.create_connection((str(where.hostname), int(where.port or 0)), 30) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wire.token}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        assert connection.recv(1 << 16).split(b" ", 2)[1] in {b"400", b"414", b"431"}


def test_one_line_of_audit_for_each_request(
    server: RunningServer, reader: Wire, space: str, hashes: dict[str, str]
) -> None:
    paths = {
        f"/files/{space}/datasets/cats/{hashes['cats']}/key": True,
        f"/files/{space}/datasets/cats/latest/key": True,
        f"/files/{space}/datasets/secret/{hashes['secret']}/key": False,
    }
    found = {reader(path)["x-request-id"]: allowed for path, allowed in paths.items()}
    head = reader(f"/files/{space}/datasets/cats/{hashes['cats']}/key", "HEAD")
    found[head["x-request-id"]] = True
    lines = [
        json.loads(line)
        for file in (server.data / "audit").glob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    for number, allowed in found.items():
        (line,) = [line for line in lines if line["request_id"] == number]
        assert (line["allowed"], line["action"]) == (allowed, "read")
        assert line["target"].startswith(f"{space}/datasets/")
        assert "key" in line["about"]


def test_a_revoked_token_and_a_revoked_grant_read_nothing_more(
    server: RunningServer, space: str, hashes: dict[str, str], wire: Wire
) -> None:
    path = f"/files/{space}/datasets/cats/{hashes['cats']}/key"
    admin = server.admin.admin
    with server.user() as storage:
        user = storage.whoami().principal
        token = admin.create_token(user.removeprefix("user:"))
        grant = admin.create_grant(user, "reader", f"{space}/datasets/cats")
        reader = Wire(wire.address, token.secret)
        assert reader(path).status == 200
        admin.revoke_grant(grant.id)
        assert code(reader(path)) == (404, "version_not_found")
        admin.revoke_token(token.token.id)
        assert code(reader(path)) == (401, "unauthenticated")


def test_what_is_found_at_hand_is_decided_and_recorded_each_time(
    server: RunningServer, space: str, hashes: dict[str, str], wire: Wire
) -> None:
    path = f"/files/{space}/datasets/cats/{hashes['cats']}/key"
    with server.user(("reader", f"{space}/datasets/cats")) as storage:
        user = storage.whoami().principal
        token = server.admin.admin.create_token(user.removeprefix("user:"))
        reader = Wire(wire.address, token.secret)
        heard = [reader(path) for _ in range(5)]
        assert {each.status for each in heard} == {200}
        for (grant,) in [server.admin.admin.get_grants(principal=user)]:
            server.admin.admin.revoke_grant(grant.id)
        assert code(reader(path)) == (404, "version_not_found")
    lines = [
        json.loads(line)["request_id"]
        for file in (server.data / "audit").glob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert [lines.count(each["x-request-id"]) for each in heard] == [1] * 5
