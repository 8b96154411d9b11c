"""Tokens that were narrowed when they were made, over HTTP: nothing widens them again."""

from __future__ import annotations

import pytest

from control_fixture import Api, Control


def narrowed(by: Api, *scopes: str, **more: object) -> Api:
    new = by.ok("POST", "/v1/tokens", {"scopes": list(scopes)} | more)
    assert new["token"]["scopes"] == list(scopes)
    return Api(by.http, new["secret"])


@pytest.fixture
def olga(control: Control) -> Api:
    found = control.user("olga")
    for space in ("vision", "audio"):
        control.space(space)
    control.grant("user:olga", "owner", "vision")
    return found


def test_it_may_do_no_more_than_it_says(control: Control, olga: Api) -> None:
    token = narrowed(olga, "reader:vision/datasets", "writer:vision/models/net*")
    ask = "/v1/authorize?scope="
    token.ok("GET", f"{ask}vision/datasets/cats")
    token.ok("GET", f"{ask}vision/models/net-1&operation=write")
    problem = token.fails(403, "GET", f"{ask}vision/datasets/cats&operation=write")
    assert "the token is narrowed to reader:vision/datasets" in problem["detail"]
    assert "not narrowed" in problem["hint"]
    token.fails(404, "GET", f"{ask}vision/tables/runs")
    token.fails(403, "GET", f"{ask}vision")
    token.fails(404, "POST", "/v1/credentials", {"scope": "vision/tables/runs"})
    olga.ok("GET", f"{ask}vision")
    assert [s["key"] for s in token.ok("GET", "/v1/spaces")["items"]] == ["vision"]


def test_it_follows_what_the_account_loses(control: Control, olga: Api) -> None:
    token = narrowed(olga, "owner:vision")
    token.ok("GET", "/v1/authorize?scope=vision&operation=drop")
    [grant] = olga.ok("GET", "/v1/grants?principal=user:olga")["items"]
    control.admin.ok("DELETE", f"/v1/grants/{grant['id']}")
    token.fails(404, "GET", "/v1/authorize?scope=vision")


def test_it_makes_no_tokens_and_sees_no_others(control: Control, olga: Api) -> None:
    token = narrowed(olga, "owner:vision")
    own = token.ok("GET", "/v1/whoami")
    assert own["scopes"] == ["owner:vision"]
    for body in ({}, {"scopes": ["owner:vision"]}, {"scopes": ["reader:vision"]}):
        assert token.fails(403, "POST", "/v1/tokens", body)["code"] == "forbidden"
    olga.ok("POST", "/v1/services", {"name": "trainer", "space": "vision"})
    token.fails(403, "POST", "/v1/tokens", {"service": "trainer"})
    token.fails(403, "POST", "/v1/services/trainer/disable")
    assert [t["id"] for t in token.ok("GET", "/v1/tokens")["items"]] == [own["token_id"]]
    [other] = [t for t in olga.ok("GET", "/v1/tokens")["items"] if not t["scopes"]]
    token.fails(404, "DELETE", f"/v1/tokens/{other['id']}")
    token.ok("DELETE", f"/v1/tokens/{own['token_id']}")
    token.fails(401, "GET", "/v1/whoami")


def test_it_grants_what_it_owns_and_nothing_beside(control: Control, olga: Api) -> None:
    token = narrowed(olga, "owner:vision/models", "writer:vision/datasets")
    control.user("bob")
    body = {"principal": "user:bob", "role": "owner", "pattern": "vision/models/net"}
    made = token.ok("POST", "/v1/grants", body)
    for beside in ("vision", "vision/datasets", "vision/tables", "audio"):
        answer = token("POST", "/v1/grants", body | {"pattern": beside})
        assert answer.status_code in {403, 404}, beside
    token.ok("DELETE", f"/v1/grants/{made['id']}")
    beside = control.grant("user:bob", "reader", "vision/datasets")
    answer = token("DELETE", f"/v1/grants/{beside}")
    assert answer.status_code in {403, 404}


def test_an_administrators_token_administers_nothing_once_narrowed(control: Control) -> None:
    control.space("vision")
    token = narrowed(control.admin, "owner:vision")
    token.ok("GET", "/v1/authorize?scope=vision&operation=drop")
    for path, body in (
        ("/v1/users", {"name": "eve", "administrator": True}),
        ("/v1/groups", {"name": "crew"}),
        ("/v1/services", {"name": "robot"}),
        ("/v1/spaces", {"key": "audio"}),
        ("/v1/tokens", {"user": "admin"}),
    ):
        token.fails(403, "POST", path, body)
    assert [u["name"] for u in token.ok("GET", "/v1/users")["items"]] == ["admin"]


def test_what_a_token_can_be_narrowed_to(control: Control, olga: Api) -> None:
    for scope, status in (
        ("reader", 400),
        ("king:vision", 400),
        ("reader:VISION", 400),
        ("reader:vision/pictures", 400),
        ("reader:audio", 404),
        ("reader:none", 404),
    ):
        olga.fails(status, "POST", "/v1/tokens", {"scopes": [scope]})
    olga.fails(400, "POST", "/v1/tokens", {"scopes": ["reader:vision"] * 33})
    olga.fails(400, "POST", "/v1/tokens", {"scopes": "reader:vision"})


def test_the_line_says_what_a_token_was_narrowed_to(control: Control, olga: Api) -> None:
    answer = olga("POST", "/v1/tokens", {"scopes": ["reader:vision", "writer:vision/models"]})
    lines = control.audit(answer.headers["X-Request-Id"])
    assert lines[0]["about"] == "narrowed to reader:vision, writer:vision/models"
