from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from control_fixture import Api, Control
from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.buckets.public import publish
from klarity_storage.server.rights.operations import ACTIONS

CATS = "vision/datasets/cats"


class People(NamedTuple):
    alice: Api
    """Owns vision."""
    bob: Api
    """Writes cats, as a member of a group."""
    eve: Api
    """Has no grant."""


@pytest.fixture
def people(control: Control) -> People:
    control.space("vision")
    control.space("audio")
    found = People(*(control.user(name) for name in ("alice", "bob", "eve")))
    control.admin.ok("POST", "/v1/groups", {"name": "annotators"})
    control.admin.ok("PUT", "/v1/groups/annotators/members/bob")
    control.admin.ok("POST", "/v1/services", {"name": "trainer"})
    control.grant("user:alice", "owner", "vision")
    control.grant("group:annotators", "writer", "vision/datasets/c*")
    return found


def explained(api: Api, principal: str, target: str) -> dict[str, Any]:
    query = urlencode({"principal": principal, "target": target})
    found = api.ok("GET", f"/v1/rights?{query}")
    assert found["target"] == target
    assert {item["principal"] for item in found["items"]} == {principal}
    return {item["action"]: item for item in found["items"]}


def allowed(rights: dict[str, Any]) -> list[str]:
    return [action for action, right in rights.items() if right["allowed"]]


def holders(api: Api, target: str, action: str = "read") -> dict[str, Any]:
    query = urlencode({"target": target, "action": action})
    items = api.ok("GET", f"/v1/rights/holders?{query}")["items"]
    assert {item["action"] for item in items} <= {action}
    assert all(item["allowed"] for item in items)
    return {item["principal"]: item for item in items}


def test_an_owner_asks_what_somebody_may_and_by_what(control: Control, people: People) -> None:
    rights = explained(people.alice, "user:bob", CATS)
    assert list(rights) == ["list", "read", "write", "own"]
    assert allowed(rights) == ["list", "read", "write"]
    assert rights["write"]["reason"] == "granted as writer"
    assert rights["write"]["grant"]["principal"] == "group:annotators"
    assert rights["write"]["via"] == rights["write"]["grant"]["id"]
    assert rights["own"]["reason"] == "granted as writer; it takes owner"
    assert allowed(explained(people.alice, "group:annotators", CATS)) == ["list", "read", "write"]
    for principal in ("user:eve", "service:trainer", "anyone"):
        rights = explained(people.alice, principal, CATS)
        assert allowed(rights) == []
        assert rights["read"]["reason"] == "no grant reaches it"
    assert explained(people.alice, "user:admin", CATS)["own"]["via"] == "administrator"


def test_who_is_disabled_may_nothing(control: Control, people: People) -> None:
    control.admin.ok("POST", "/v1/users/bob/disable")
    rights = explained(people.alice, "user:bob", CATS)
    assert allowed(rights) == []
    assert rights["read"]["reason"] == "the account is disabled"
    assert "user:bob" not in holders(people.alice, CATS, "write")


def test_everybody_asks_for_themselves(control: Control, people: People) -> None:
    assert allowed(explained(people.bob, "user:bob", CATS)) == ["list", "read", "write"]
    elsewhere = explained(people.bob, "user:bob", "vision/datasets/dogs")
    assert elsewhere["read"]["reason"] == "no grant reaches it"
    hidden = people.bob.fails(404, "GET", "/v1/rights?principal=user:bob&target=audio/models/x")
    absent = people.bob.fails(404, "GET", "/v1/rights?principal=user:bob&target=none/models/x")
    assert hidden["detail"].replace("audio", "none") == absent["detail"]
    assert hidden["code"] == absent["code"] == "space_not_found"


def test_others_are_the_affair_of_owners(control: Control, people: People) -> None:
    query = f"principal=user:alice&target={CATS}"
    people.bob.fails(403, "GET", f"/v1/rights?{query}")
    people.eve.fails(404, "GET", f"/v1/rights?{query}")
    people.bob.fails(403, "GET", f"/v1/rights/holders?target={CATS}")
    people.eve.fails(404, "GET", f"/v1/rights/holders?target={CATS}")
    assert "own" in allowed(explained(control.admin, "user:alice", CATS))
    refused = [line for line in control.audit() if not line["allowed"]]
    assert [line["about"] for line in refused] == [
        "rights of user:alice",
        "rights of user:alice",
        "who may read",
        "who may read",
    ]


def test_a_narrowed_token_explains_itself(control: Control, people: People) -> None:
    body = {"user": "bob", "scopes": ["reader:vision/datasets"]}
    narrowed = Api(control.http, control.admin.ok("POST", "/v1/tokens", body)["secret"])
    rights = explained(narrowed, "user:bob", CATS)
    assert allowed(rights) == ["list", "read"]
    assert rights["write"]["reason"] == "the token is narrowed to reader:vision/datasets"


def test_who_may(control: Control, people: People) -> None:
    control.grant("service:trainer", "reader", "vision/datasets")
    assert list(holders(people.alice, CATS)) == [
        "group:annotators",
        "user:admin",
        "user:alice",
        "user:bob",
        "service:trainer",
    ]
    writers = holders(people.alice, CATS, "write")
    assert set(writers) == {"group:annotators", "user:admin", "user:alice", "user:bob"}
    assert writers["user:bob"]["grant"]["principal"] == "group:annotators"
    assert writers["user:admin"]["reason"] == "administrators own everything"
    assert set(holders(people.alice, CATS, "own")) == {"user:admin", "user:alice"}
    control.grant("anyone", "reader", "vision/datasets/cats")
    everybody = holders(people.alice, CATS)
    assert next(iter(everybody)) == "anyone"
    assert "user:eve" not in everybody
    control.admin.ok(
        "POST",
        "/v1/grants",
        {
            "principal": "user:eve",
            "role": "writer",
            "pattern": CATS,
            "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        },
    )
    assert holders(people.alice, CATS, "write")["user:eve"]["grant"]["expires_at"]


def test_what_is_public_is_everybodys(control: Control, people: People) -> None:
    with control.services.rights.change() as connection:
        publish(connection, "vision", public=True)
    readers = holders(people.alice, CATS)
    assert readers["public"]["grant"]["principal"] == "public"
    assert not {"anyone", "user:eve"} & set(readers)
    assert {"public", "anyone"} & set(holders(people.alice, CATS, "write")) == set()
    assert allowed(explained(people.alice, "public", CATS)) == ["list", "read"]
    assert allowed(explained(people.alice, "anyone", CATS)) == ["list", "read"]


def test_what_is_explained_is_what_is_decided(control: Control, people: People) -> None:
    """Explanations against the decisions themselves, through the route that decides."""
    for api, principal in ((people.alice, "user:alice"), (people.bob, "user:bob")):
        for target in (CATS, "vision/datasets/dogs", "vision/datasets", "vision"):
            rights = explained(api, principal, target)
            for operation in (Operation.READ, Operation.WRITE, Operation.VACUUM):
                query = urlencode({"scope": target, "operation": operation})
                done = api("GET", f"/v1/authorize?{query}").is_success
                assert rights[ACTIONS[operation]]["allowed"] is done, (principal, target)


@pytest.mark.parametrize(
    ("status", "principal", "target"),
    [
        (404, "user:nobody", CATS),
        (404, "service:bob", CATS),
        (404, "group:nobody", CATS),
        (404, "user:bob", "none"),
        (400, "bob", CATS),
        (400, "user:bob", "vision/datasets/cats*"),
        (400, "user:bob", ""),
    ],
)
def test_what_cannot_be_explained(
    control: Control, people: People, status: int, principal: str, target: str
) -> None:
    query = urlencode({"principal": principal, "target": target})
    control.admin.fails(status, "GET", f"/v1/rights?{query}")


def test_an_action_that_is_none(control: Control, people: People) -> None:
    control.admin.fails(400, "GET", f"/v1/rights/holders?target={CATS}&action=steal")
