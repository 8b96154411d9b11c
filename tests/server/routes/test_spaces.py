from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from control_fixture import Control


def test_an_administrator_makes_a_space_and_owns_it(control: Control) -> None:
    made = control.admin.ok("POST", "/v1/spaces", {"key": "vision", "description": "Pictures"})
    assert (made["key"], made["description"], made["created_by"]) == (
        "vision",
        "Pictures",
        "user:admin",
    )
    shown = control.admin.ok("GET", "/v1/spaces/vision")
    assert shown.pop("usage")["bytes"] == 0
    assert shown | {"usage": None, "quota": None} == made
    assert control.admin.ok("GET", "/v1/spaces") == {"items": [made]}
    [grant] = control.admin.ok("GET", "/v1/grants?space=vision")["items"]
    assert (grant["principal"], grant["role"], grant["pattern"]) == (
        "user:admin",
        "owner",
        "vision",
    )


def test_a_space_takes_an_administrator(control: Control) -> None:
    problem = control.user("bob").fails(403, "POST", "/v1/spaces", {"key": "vision"})
    assert problem["code"] == "forbidden"
    assert problem["hint"] == "Ask an administrator."
    control.admin.fails(404, "GET", "/v1/spaces/vision")


def test_a_key_is_taken_once(control: Control) -> None:
    control.space("vision")
    problem = control.admin.fails(409, "POST", "/v1/spaces", {"key": "vision"})
    assert problem["code"] == "already_exists"


def test_of_two_at_once_one_wins(control: Control) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: control.admin("POST", "/v1/spaces", {"key": "vision"}), range(8))
        )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"already_exists"}
    assert len(control.admin.ok("GET", "/v1/grants")["items"]) == 1


@pytest.mark.parametrize("key", ["", "Vision", "../up", "a/b", ".", "a" * 129, "vi sion"])
def test_a_key_follows_the_naming_rule(control: Control, key: str) -> None:
    assert control.admin.fails(400, "POST", "/v1/spaces", {"key": key})["code"] == "invalid_name"


@pytest.mark.parametrize("description", ["x" * 1001, "bell \a", "clear \x1b[2J"])
def test_a_description_is_short_and_safe_to_print(control: Control, description: str) -> None:
    body = {"key": "vision", "description": description}
    assert control.admin.fails(400, "POST", "/v1/spaces", body)["code"] == "invalid_input"


def test_one_sees_the_spaces_that_one_has_something_in(control: Control) -> None:
    bob = control.user("bob")
    for key in ("audio", "text", "vision"):
        control.space(key)
    control.grant("user:bob", "reader", "vision/datasets/cats*")
    control.grant("anyone", "reader", "text")
    assert [s["key"] for s in bob.ok("GET", "/v1/spaces")["items"]] == ["text", "vision"]
    assert bob.ok("GET", "/v1/spaces/vision")["key"] == "vision"


def test_a_space_that_one_may_not_see_looks_like_none(control: Control) -> None:
    bob = control.user("bob")
    control.space("vision")
    hidden = bob.fails(404, "GET", "/v1/spaces/vision")
    absent = bob.fails(404, "GET", "/v1/spaces/absent")
    for problem in (hidden, absent):
        problem.pop("request_id")
    assert hidden == {
        key: value.replace("absent", "vision") if isinstance(value, str) else value
        for key, value in absent.items()
    }
