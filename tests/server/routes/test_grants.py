from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from control_fixture import Control
from klarity_storage.server.db import schema


def _body(principal: str, role: str, pattern: str, **more: object) -> dict[str, Any]:
    return {"principal": principal, "role": role, "pattern": pattern, **more}


def test_an_owner_grants_what_is_owned(control: Control) -> None:
    bob = control.user("bob")
    control.user("eve")
    control.space("vision")
    control.grant("user:bob", "owner", "vision/datasets/cats*")
    made = bob.ok("POST", "/v1/grants", _body("user:eve", "writer", "vision/datasets/cats-1"))
    assert (made["principal"], made["role"], made["created_by"]) == (
        "user:eve",
        "writer",
        "user:bob",
    )
    bob.ok("POST", "/v1/grants", _body("anyone", "reader", "vision/datasets/cats?"))
    for broader in ("vision", "vision/datasets", "vision/datasets/*", "vision/datasets/c*"):
        bob.fails(403, "POST", "/v1/grants", _body("user:eve", "reader", broader))
    bob.fails(404, "POST", "/v1/grants", _body("user:eve", "reader", "vision/datasets/dogs"))


def test_a_grant_is_given_once(control: Control) -> None:
    control.user("bob")
    control.space("vision")
    body = _body("user:bob", "reader", "vision")
    control.admin.ok("POST", "/v1/grants", body)
    assert control.admin.fails(409, "POST", "/v1/grants", body)["code"] == "already_exists"
    control.admin.ok("POST", "/v1/grants", body | {"role": "writer"})


def test_a_grant_that_ran_out_counts_for_nothing_and_can_be_given_anew(control: Control) -> None:
    bob = control.user("bob")
    control.space("vision")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = _body("user:bob", "reader", "vision", expires_at=soon)
    control.admin.ok("POST", "/v1/grants", body)
    bob.ok("GET", "/v1/spaces/vision")
    with control.services.rights.change() as connection:
        connection.execute(
            update(schema.grants)
            .where(schema.grants.c.principal == "user:bob")
            .values(expires_at=datetime.now(UTC))
        )
    bob.fails(404, "GET", "/v1/spaces/vision")
    assert bob.ok("GET", "/v1/whoami")["grants"] == []
    control.admin.ok("POST", "/v1/grants", body)
    bob.ok("GET", "/v1/spaces/vision")


def test_a_grant_taken_away_is_gone_at_once(control: Control) -> None:
    bob = control.user("bob")
    control.space("vision")
    grant = control.grant("user:bob", "writer", "vision")
    bob.ok("GET", "/v1/spaces/vision")
    problem = bob.fails(403, "DELETE", f"/v1/grants/{grant}")
    assert "granted as writer; it takes owner" in problem["detail"]
    control.admin.ok("DELETE", f"/v1/grants/{grant}")
    bob.fails(404, "GET", "/v1/spaces/vision")
    control.admin.fails(404, "DELETE", f"/v1/grants/{grant}")


def test_anothers_grant_looks_like_none(control: Control) -> None:
    bob = control.user("bob")
    control.user("eve")
    control.space("vision")
    control.grant("user:bob", "reader", "vision")
    eves = control.grant("user:eve", "reader", "vision")
    hidden = bob.fails(404, "DELETE", f"/v1/grants/{eves}")
    absent = bob.fails(404, "DELETE", "/v1/grants/grant_0")
    assert hidden["detail"] == absent["detail"].replace("grant_0", eves)


def test_one_sees_ones_own_grants_and_those_one_may_remove(control: Control) -> None:
    bob = control.user("bob")
    control.user("eve")
    control.space("audio")
    control.space("vision")
    own = control.grant("user:bob", "owner", "vision/models")
    public = control.grant("anyone", "reader", "audio")
    below = control.grant("user:eve", "reader", "vision/models/net")
    beside = control.grant("user:eve", "reader", "vision/datasets")

    def seen(query: str = "") -> set[str]:
        return {grant["id"] for grant in bob.ok("GET", f"/v1/grants{query}")["items"]}

    assert seen() == {own, public, below}
    assert seen("?space=vision") == {own, below}
    assert seen("?principal=user:eve") == {below}
    assert seen("?space=audio&principal=anyone") == {public}
    assert beside in {g["id"] for g in control.admin.ok("GET", "/v1/grants")["items"]}
    assert control.admin.ok("GET", "/v1/grants?principal=user:nobody")["items"] == []
    bob.fails(404, "GET", "/v1/grants?space=none")
    bob.fails(400, "GET", "/v1/grants?principal=team:x")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"principal": "bob"}, "invalid_name"),
        ({"principal": "user:"}, "invalid_name"),
        ({"principal": "user:Bob"}, "invalid_name"),
        ({"principal": "user:nobody"}, "principal_not_found"),
        ({"principal": "group:bob"}, "principal_not_found"),
        ({"principal": "service:bob"}, "principal_not_found"),
        ({"role": "king"}, "invalid_input"),
        ({"pattern": ""}, "invalid_input"),
        ({"pattern": "*"}, "invalid_name"),
        ({"pattern": "vision/pictures"}, "invalid_reference"),
        ({"pattern": "vision/datasets/cats/x"}, "invalid_input"),
        ({"pattern": "vision/datasets/"}, "invalid_input"),
        ({"pattern": "vision/*/cats"}, "invalid_reference"),
        ({"pattern": "vision/datasets/[ab]"}, "invalid_input"),
        ({"pattern": "vision/raw_binary/runs"}, "invalid_input"),
        ({"pattern": "absent"}, "space_not_found"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_input"),
        ({"expires_at": "2999-01-01T00:00:00"}, "invalid_input"),
        ({"expires_at": "soon"}, "invalid_input"),
    ],
)
def test_what_cannot_be_granted_is_refused(
    control: Control, change: dict[str, str], code: str
) -> None:
    control.user("bob")
    control.space("vision")
    body = _body("user:bob", "reader", "vision/datasets") | change
    answer = control.admin("POST", "/v1/grants", body)
    assert answer.status_code in {400, 404}
    assert answer.json()["code"] == code
    assert len(control.admin.ok("GET", "/v1/grants")["items"]) == 1
