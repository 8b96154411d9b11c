from __future__ import annotations

import pytest

from control_fixture import Api, Control


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, "holds no token"),
        ("Basic YTpi", "another scheme than Bearer"),
        ("Bearer", "another scheme than Bearer"),
        ("Bearer x", "the token is unknown"),
        ("Bearer ks_" + "A" * 43, "the token is unknown"),
        ("Bearer ks_" + "A" * 10_000, "the token is unknown"),
    ],
)
def test_who_is_not_known_is_told_why(control: Control, header: str | None, told: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = control.stranger("GET", "/v1/whoami", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="klarity-storage"'
    assert told in answer.json()["detail"]
    assert "ks login" in answer.json()["hint"]
    assert "ks_" not in answer.text


def test_the_scheme_is_read_in_any_case(control: Control) -> None:
    headers = {"Authorization": f"bearer  {control.admin.token}"}
    assert control.stranger("GET", "/v1/whoami", headers=headers).status_code == 200


def test_the_caller_is_known_before_the_body_is_read(control: Control) -> None:
    assert control.stranger("POST", "/v1/spaces", content=b"{").status_code == 401


def test_who_one_is(control: Control) -> None:
    bob = control.user("bob")
    control.space("vision")
    grant = control.grant("user:bob", "writer", "vision/datasets")
    public = control.grant("anyone", "reader", "vision/models")
    [token] = bob.ok("GET", "/v1/tokens")["items"]
    found = bob.ok("GET", "/v1/whoami")
    assert {g["id"] for g in found.pop("grants")} == {grant, public}
    assert found == {
        "principal": "user:bob",
        "display_name": "bob",
        "administrator": False,
        "token_id": token["id"],
        "groups": [],
        "scopes": [],
    }


def test_secrets_are_in_no_log_and_no_line(
    control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(0):
        bob = control.user("bob")
        bob.ok("GET", "/v1/whoami")
        bob.fails(403, "POST", "/v1/spaces", {"key": "x"})
        Api(control.http, "ks_" + "A" * 43).fails(401, "GET", "/v1/whoami")
    assert "ks_" not in caplog.text
    assert "ks_" not in str(control.audit())
