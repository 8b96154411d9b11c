"""Nobody gets a cached byte without a decision for just this caller."""

from __future__ import annotations

import http.client
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import klarity_storage as ks
from nginx_fixture import Site
from proxy_versions import Pushed, pushed
from wire import Heard, Wire

pytestmark = pytest.mark.real

DECISION = 3
"""Seconds, as the settings say."""

RECENT = 2
"""Seconds for which the server takes a version that stood in the log to stand there still."""


@pytest.fixture(scope="module")
def number() -> Iterator[int]:
    return iter(range(1000))


@pytest.fixture
def dogs(site: Site, tmp_path: Path, number: Iterator[int]) -> Pushed:
    """A name of its own for each test."""
    return pushed(site, tmp_path, f"vision/datasets/dogs{next(number)}", {"key": b"the bytes"})


def user_of(site: Site, token: str) -> str:
    with ks.connect(site.direct, token=token) as storage:
        return storage.whoami().principal


def seconds_until(status: int, ask: Callable[[], Heard], started: float) -> float:
    """How long it takes until an answer has this status; every one before it is as it was."""
    while time.monotonic() < started + 60:
        asked = time.monotonic()
        if ask().status == status:
            return asked - started
        time.sleep(0.05)
    raise AssertionError(f"It never became {status}.")


def test_a_grant_that_is_taken_back_ends_within_the_decision(site: Site, dogs: Pushed) -> None:
    token = site.user(("reader", dogs.name))
    reader, path = site.wire(token), f"{dogs.root}/key"
    assert [reader(path).body for _ in range(3)] == [b"the bytes"] * 3
    assert reader(path)["cache-status"] == "klarity; hit"
    with site.admin() as storage:
        (grant,) = storage.admin.get_grants(principal=user_of(site, token))
        storage.admin.revoke_grant(grant.id)
    started = time.monotonic()
    assert seconds_until(404, lambda: reader(path), started) < DECISION + 1
    assert b'"code":"version_not_found"' in reader(path).body
    assert site.wire()(path)["cache-status"] == "klarity; hit"


def test_a_token_that_is_revoked_ends_within_the_decision(site: Site, dogs: Pushed) -> None:
    token = site.user(("reader", dogs.name))
    reader, path = site.wire(token), f"{dogs.root}/key"
    assert reader(path).status == 200
    with site.admin() as storage:
        user = user_of(site, token).removeprefix("user:")
        (known,) = storage.admin.get_tokens(user)
        storage.admin.revoke_token(known.id)
    assert seconds_until(401, lambda: reader(path), time.monotonic()) < DECISION + 1


def test_a_version_that_is_deleted_is_not_served_from_the_cache(site: Site, dogs: Pushed) -> None:
    reader, path = site.wire(), f"{dogs.root}/key"
    assert reader(path).status == 200
    with site.admin() as storage:
        storage.delete(f"{dogs.name}@{dogs.hash}")
    until = seconds_until(404, lambda: reader(path), time.monotonic())
    assert until < DECISION + RECENT + 1


def test_two_users_never_see_each_others_bytes(site: Site, tmp_path: Path, number: Any) -> None:
    mark = next(number)
    names = [f"vision/datasets/own{mark}-{who}" for who in ("alice", "bob")]
    versions = [pushed(site, tmp_path, name, {"key": name.encode()}) for name in names]
    tokens = [site.user(("reader", name)) for name in names]
    absent = f"/files/vision/datasets/own{mark}-nobody/{'0' * 64}/key"
    # each from the same connection, one after the other, cold and cached
    connection = http.client.HTTPConnection(urlsplit(site.address).netloc)
    for _ in range(3):
        for token, own in zip(tokens, versions, strict=True):
            for version in versions:
                for path in (f"{version.root}/key", absent):
                    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
                    answer = connection.getresponse()
                    body = answer.read()
                    if version is own and path != absent:
                        assert (answer.status, body) == (200, own.name.encode())
                    else:
                        assert answer.status == 404
                        assert b"version_not_found" in body
    connection.close()


def test_half_a_token_is_none(site: Site, dogs: Pushed) -> None:
    """What is remembered of a token opens nothing at the server, and nothing else here."""
    token, path = site.user(("reader", dogs.name)), f"{dogs.root}/key"
    assert site.wire(token)(path).status == 200
    half = token[: len("ks_") + 22]
    for other in (half, half[:-1] + "x" + token[len(half) :], half + "!" * 21, half + "x" * 22):
        assert site.wire(other)(path).status == 401
        assert site.wire(other)("/v1/whoami").status == 401
    assert site.wire(half + "x" * 21)("/v1/whoami").status == 401


def test_two_tokens_in_one_request_are_none(site: Site, dogs: Pushed) -> None:
    good, bad = (f"Bearer {token}" for token in (site.token, site.user()))
    for pair in ((good, bad), (bad, good)):
        connection = http.client.HTTPConnection(urlsplit(site.address).netloc)
        connection.putrequest("GET", f"{dogs.root}/key")
        for value in pair:
            connection.putheader("Authorization", value)
        connection.endheaders()
        assert connection.getresponse().status == 400
        connection.close()


def test_each_decision_leaves_a_line_with_the_callers_address(site: Site, dogs: Pushed) -> None:
    token, path = site.user(("reader", dogs.name)), f"{dogs.root}/key"
    reader = site.wire(token)
    first = reader(path, x_forwarded_for="192.0.2.7", forwarded="for=192.0.2.8")
    wanted = {"principal": user_of(site, token), "operation": "check_right"}
    (line,) = site.audit(**wanted)
    assert line["request_id"] == first["x-request-id"]
    assert line["remote"] == "127.0.0.1"
    assert (line["target"], line["allowed"]) == (dogs.name, True)
    assert dogs.hash in str(line["about"])
    # the first read of the bytes is a decision of its own, which names the file
    (read,) = site.audit(principal=wanted["principal"], operation="read_file")
    assert "key" in str(read["about"])
    for _ in range(5):
        assert reader(path)["cache-status"] == "klarity; hit"
    assert len(site.audit(**wanted)) <= 2  # a second one where the first has ended meanwhile
    assert len(site.audit(principal=wanted["principal"], operation="read_file")) == 1


def test_what_is_refused_leaves_one_line_and_is_told_as_without_nginx(
    site: Site, dogs: Pushed
) -> None:
    absent = dogs.root.replace(dogs.hash, "0" * 64)
    token = site.user()
    for secret, root, principal, allowed in (
        (token, dogs.root, user_of(site, token), False),
        ("", dogs.root, "anyone", False),
        ("ks_" + "A" * 43, dogs.root, "anyone", False),
        (site.token, absent, user_of(site, site.token), True),  # to look; there is no such version
    ):
        # what anybody sends of it is not passed on
        heard = site.wire(secret)(f"{root}/key", x_klarity_refusal="A" * 22)
        own = Wire(site.direct, secret or None)(
            f"{root}/key", x_request_id=heard["x-request-id"] + "-own"
        )
        assert heard.status == own.status != 200
        assert heard.body == own.body.replace(b"-own", b"")
        (line,) = site.audit(request_id=heard["x-request-id"])
        assert line["operation"] == "check_right"
        assert (line["principal"], line["allowed"], line["remote"]) == (
            principal,
            allowed,
            "127.0.0.1",
        )
        if line["action"] == "read":
            assert (line["target"], line["about"]) == (
                dogs.name,
                f"version {root.rpartition('/')[2]}: its files",
            )
        # each is a decision of its own
        again = site.wire(secret)(f"{root}/key", x_request_id=heard["x-request-id"])
        assert again.status == heard.status
        assert len(site.audit(request_id=heard["x-request-id"])) == 2


def test_an_address_that_cannot_be_read_is_that_and_no_refusal(site: Site, dogs: Pushed) -> None:
    for path in ("a%2fb", "%ff", "a//b"):
        heard = site.wire(site.user())(f"{dogs.root}/{path}")
        assert (heard.status, b"invalid_path" in heard.body) == (400, True)


def test_what_a_refusal_is_told_by_is_not_told_to_callers(site: Site, dogs: Pushed) -> None:
    path = f"/v1/authorize?scope={dogs.name}&version={dogs.hash}"
    direct = Wire(site.direct, site.user())(path)
    heard = site.wire(site.user())(path)
    assert direct.status == heard.status == 404
    assert "x-klarity-refusal" in direct.headers
    assert "x-klarity-refusal" not in heard.headers


def test_no_token_lies_on_the_disk_and_nobody_else_reads_there(site: Site, dogs: Pushed) -> None:
    tokens = [site.token, site.user(("reader", dogs.name))]
    for token in tokens:
        assert site.wire(token)(f"{dogs.root}/key").status == 200
    files = [file for file in (site.data / "proxy").rglob("*") if file.is_file()]
    assert any("decisions" in str(file) for file in files)
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            continue  # forgotten meanwhile
        assert not any(token.encode() in content for token in tokens)
    assert stat.S_IMODE((site.data / "proxy").stat().st_mode) == 0o700


def test_anybody_reads_what_is_public_from_the_cache(
    site: Site, tmp_path: Path, number: Any
) -> None:
    with site.admin() as storage:
        storage.create_space(f"front{next(number)}", bucket="site")
        (space,) = [s.key for s in storage.get_spaces() if s.key.startswith("front")]
    open_one = pushed(site, tmp_path, f"{space}/datasets/page", {"index": b"welcome"})
    closed = pushed(site, tmp_path, f"vision/datasets/closed-{space}", {"index": b"closed"})
    nobody = site.wire("")
    for _ in range(3):
        assert nobody(f"{open_one.root}/index").body == b"welcome"
        assert nobody(f"{closed.root}/index").status == 401
        assert site.wire()(f"{closed.root}/index").body == b"closed"
    assert nobody(f"{open_one.root}/index")["cache-status"] == "klarity; hit"
