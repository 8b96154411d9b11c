from __future__ import annotations

import pytest

from control_fixture import Api, Control


@pytest.fixture
def staff(control: Control) -> str:
    control.space("vision")
    made = control.admin.ok("POST", "/v1/groups", {"name": "staff", "description": "All of us"})
    assert (made["name"], made["description"], made["members"]) == ("staff", "All of us", [])
    assert made["created_by"] == "user:admin"
    return "staff"


def put(control: Control, *members: str, group: str = "staff") -> None:
    for member in members:
        control.admin.ok("PUT", f"/v1/groups/{group}/members/{member}")


def test_what_a_group_is_granted_its_members_may(control: Control, staff: str) -> None:
    bob, eve = control.user("bob"), control.user("eve")
    control.grant("group:staff", "writer", "vision/datasets")
    bob.fails(404, "GET", "/v1/spaces/vision")
    put(control, "bob")
    bob.ok("GET", "/v1/spaces/vision")
    eve.fails(404, "GET", "/v1/spaces/vision")
    found = bob.ok("GET", "/v1/whoami")
    assert found["groups"] == ["staff"]
    assert [(g["principal"], g["role"]) for g in found["grants"]] == [("group:staff", "writer")]
    [grant] = bob.ok("GET", "/v1/grants")["items"]
    assert grant["principal"] == "group:staff"
    bob.fails(403, "DELETE", f"/v1/grants/{grant['id']}")


def test_who_leaves_a_group_is_out_at_once(control: Control, staff: str) -> None:
    bob = control.user("bob")
    control.grant("group:staff", "reader", "vision")
    put(control, "bob", "bob")
    bob.ok("GET", "/v1/spaces/vision")
    for _ in range(2):
        control.admin.ok("DELETE", "/v1/groups/staff/members/bob")
        bob.fails(404, "GET", "/v1/spaces/vision")
    assert bob.ok("GET", "/v1/whoami")["groups"] == []


def test_services_can_be_members(control: Control, staff: str) -> None:
    control.admin.ok("POST", "/v1/services", {"name": "trainer"})
    control.user("bob")
    put(control, "trainer", "bob")
    assert control.admin.ok("GET", "/v1/groups/staff")["members"] == [
        "user:bob",
        "service:trainer",
    ]
    control.grant("group:staff", "reader", "vision")
    secret = control.admin.ok("POST", "/v1/tokens", {"service": "trainer"})["secret"]
    Api(control.http, secret).ok("GET", "/v1/spaces/vision")


def test_a_deleted_group_takes_its_grants_along(control: Control, staff: str) -> None:
    bob = control.user("bob")
    put(control, "bob")
    control.grant("group:staff", "owner", "vision")
    kept = control.grant("user:bob", "reader", "vision/datasets/cats")
    bob.ok("GET", "/v1/authorize?scope=vision/models/net")
    control.admin.ok("DELETE", "/v1/groups/staff")
    bob.fails(404, "GET", "/v1/authorize?scope=vision/models/net")
    assert [grant["id"] for grant in bob.ok("GET", "/v1/grants")["items"]] == [kept]
    control.admin.fails(404, "DELETE", "/v1/groups/staff")
    # a new group of that name begins with nothing
    control.admin.ok("POST", "/v1/groups", {"name": "staff"})
    assert control.admin.ok("GET", "/v1/groups/staff")["members"] == []
    put(control, "bob")
    bob.fails(404, "GET", "/v1/authorize?scope=vision/models/net")


def test_groups_take_an_administrator(control: Control, staff: str) -> None:
    bob = control.user("bob")
    control.grant("user:bob", "owner", "vision")
    bob.fails(403, "POST", "/v1/groups", {"name": "mine"})
    bob.fails(403, "PUT", "/v1/groups/staff/members/bob")
    put(control, "bob")
    bob.fails(403, "DELETE", "/v1/groups/staff/members/bob")
    bob.fails(403, "DELETE", "/v1/groups/staff")


def test_members_and_owners_see_a_group_and_others_do_not(control: Control, staff: str) -> None:
    bob, eve, olga = control.user("bob"), control.user("eve"), control.user("olga")
    put(control, "bob")
    control.grant("user:olga", "owner", "vision/models")
    for who in (bob, olga):
        assert [g["name"] for g in who.ok("GET", "/v1/groups")["items"]] == ["staff"]
        assert who.ok("GET", "/v1/groups/staff")["members"] == ["user:bob"]
    assert eve.ok("GET", "/v1/groups")["items"] == []
    hidden = eve.fails(404, "GET", "/v1/groups/staff")
    absent = eve.fails(404, "GET", "/v1/groups/crew")
    assert hidden["detail"] == absent["detail"].replace("crew", "staff")
    assert hidden["code"] == "principal_not_found"


def test_an_owner_grants_to_a_group(control: Control, staff: str) -> None:
    olga = control.user("olga")
    control.grant("user:olga", "owner", "vision/models")
    body = {"principal": "group:staff", "role": "reader", "pattern": "vision/models"}
    olga.ok("POST", "/v1/grants", body)
    problem = olga.fails(404, "POST", "/v1/grants", body | {"principal": "group:crew"})
    assert "There is no group 'crew'." in problem["detail"]


def test_what_is_not_there_is_not_put_in(control: Control, staff: str) -> None:
    problem = control.admin.fails(404, "PUT", "/v1/groups/staff/members/nobody")
    assert problem["code"] == "principal_not_found"
    control.user("bob")
    control.admin.fails(404, "PUT", "/v1/groups/crew/members/bob")
    control.admin.fails(404, "DELETE", "/v1/groups/crew/members/bob")
    control.admin.fails(409, "POST", "/v1/groups", {"name": "staff"})


def test_the_line_says_who_was_put_in(control: Control, staff: str) -> None:
    control.user("bob")
    answer = control.admin("PUT", "/v1/groups/staff/members/bob")
    [line] = control.audit(answer.headers["X-Request-Id"])
    assert (line["target"], line["about"]) == ("group:staff", "add bob")
