from __future__ import annotations

from typing import Any

import pytest

from klarity_storage.errors import UnauthenticatedError
from klarity_storage.server.oidc.claims import display_name, group_names, groups_said, user_name


@pytest.mark.parametrize(
    ("claims", "claim", "said"),
    [
        ({"groups": ["a", "b"]}, "groups", ["a", "b"]),
        ({"groups": "a"}, "groups", ["a"]),
        ({"groups": ["a", 7, None, ["b"]]}, "groups", ["a"]),
        ({"groups": {"a": 1}}, "groups", []),
        ({}, "groups", []),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"]),
        ({"realm_access": ["roles"]}, "realm_access.roles", []),
        ({"https://x.example.org/groups": ["a"]}, "https://x.example.org/groups", ["a"]),
        ({"groups": ["g"] * 5000}, "groups", ["g"] * 1000),
    ],
    ids=range(9),
)
def test_groups_are_read_where_the_issuer_puts_them(
    claims: dict[str, Any], claim: str, said: list[str]
) -> None:
    assert groups_said(claims, claim) == said


def test_a_group_never_leaves_its_prefix() -> None:
    said = ["team", "../admins", ":admins", "a b", "", "x" * 200, "tëam", "team", "group:admins"]
    assert group_names(said, "corp.") == ("corp.team",)


def test_a_name_follows_the_naming_rule() -> None:
    assert user_name({"email": "alice", "sub": "1"}, "email") == "alice"
    assert user_name({"sub": "f3b0-1"}, "sub") == "f3b0-1"
    for wrong in ("", "Alice", "a@b", "x" * 129, "-a", None, 7, ["a"]):
        with pytest.raises(UnauthenticatedError):
            user_name({"email": wrong}, "email")


@pytest.mark.parametrize("name", [None, 7, "", "   ", "a\x1b[31m", "a\nb"])
def test_what_cannot_be_printed_is_not_shown(name: object) -> None:
    assert display_name({"name": name}, "alice") == "alice"


def test_a_person_is_called_as_the_issuer_says() -> None:
    assert display_name({"name": " Ålice Ä. "}, "alice") == "Ålice Ä."
    assert len(display_name({"name": "x" * 5000}, "alice")) == 200
