from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from control_fixture import Api, Control
from klarity_storage.server.audit import files, table
from klarity_storage.server.db import schema


class People(NamedTuple):
    alice: Api
    """Owns the datasets of vision."""
    bob: Api
    """Reads one of them."""
    eve: Api
    """Has no grant."""


@pytest.fixture
def people(control: Control) -> People:
    """Three who each looked for datasets of vision and of audio, and for a space that is none."""
    control.space("vision")
    control.space("audio")
    found = People(*(control.user(name) for name in ("alice", "bob", "eve")))
    control.grant("user:alice", "owner", "vision/datasets")
    control.grant("user:bob", "reader", "vision/datasets/cats")
    for api in found:
        for path in ("vision/datasets/cats", "audio/datasets/cats", "none/datasets/cats"):
            api("GET", f"/v1/spaces/{path}/tags")
    return found


def asked(api: Api, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.ok("GET", f"/v1/audit?{urlencode(query)}")["items"]
    return found


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(e["principal"], e["target"], e["allowed"]) for e in events]


def test_administrators_see_all(control: Control, people: People) -> None:
    everybody = asked(control.admin, operation="list_tags")
    assert told(everybody) == [
        (f"user:{name}", f"{space}/datasets/cats", space == "vision" and name != "eve")
        for name in ("eve", "bob", "alice")
        for space in ("none", "audio", "vision")
    ]
    assert {event["reason"] for event in everybody if event["principal"] == "user:eve"} == {
        "no grant reaches it",
        "there is no such thing",
    }


def test_owners_see_what_was_decided_about_what_they_own(control: Control, people: People) -> None:
    control.grant("user:eve", "reader", "vision")
    grant = control.grant("user:eve", "writer", "vision/datasets/dogs*")
    control.admin.ok("DELETE", f"/v1/grants/{grant}")
    seen = asked(people.alice, what="vision")
    assert {e["principal"] for e in seen if e["operation"] == "list_tags"} == {
        "user:alice",
        "user:bob",
        "user:eve",
    }
    changes = [(e["operation"], e["target"]) for e in seen if "grant" in e["operation"]]
    assert changes == [
        ("remove_grant", f"grant:{grant}"),
        ("create_grant", "vision/datasets/dogs*"),
        ("create_grant", "vision/datasets/cats"),
        ("create_grant", "vision/datasets"),
    ]
    others = [e for e in asked(people.alice) if e["principal"] != "user:alice"]
    assert {e["scope"].partition("/")[0] for e in others} == {"vision"}


def test_others_see_their_own_and_no_more_than_they_were_told(
    control: Control, people: People
) -> None:
    for api, name in ((people.bob, "bob"), (people.eve, "eve")):
        assert {e["principal"] for e in asked(api)} == {f"user:{name}"}
        hidden, absent = (asked(api, what=space)[0] for space in ("audio", "none"))
        for event in (hidden, absent):
            for field in ("at", "request_id", "target"):
                event.pop(field)
        assert hidden == absent
        assert hidden["reason"] == "there is no such thing, or you may not see it"


def test_what_is_hidden_is_not_told_by_its_record(control: Control, people: People) -> None:
    [token] = control.admin.ok("GET", "/v1/tokens?user=alice")["items"]
    [grant] = control.admin.ok("GET", "/v1/grants?principal=user:alice")["items"]
    people.eve.fails(404, "DELETE", f"/v1/tokens/{token['id']}")
    people.eve.fails(404, "DELETE", f"/v1/grants/{grant['id']}")
    for event in asked(people.eve, allowed="false"):
        assert (event["about"], event["scope"]) == ("", None)
    assert asked(control.admin, operation="revoke_token")[0]["about"] == "of user:alice"


def test_a_grants_version_changes_when_it_is_made_anew(control: Control, people: People) -> None:
    def version() -> tuple[str, str]:
        people.bob("GET", "/v1/spaces/vision/datasets/cats/tags")
        event = asked(people.bob, operation="list_tags", limit=1)[0]
        return event["via"], event["grant_version"]

    first = version()
    assert version() == first
    with control.services.rights.change() as connection:
        connection.execute(
            update(schema.grants)
            .where(schema.grants.c.id == first[0])
            .values(expires_at=datetime.now(UTC) + timedelta(days=1))
        )
    changed = version()
    assert changed[0] == first[0]
    assert changed[1] != first[1]
    control.admin.ok("DELETE", f"/v1/grants/{first[0]}")
    control.grant("user:bob", "reader", "vision/datasets/cats")
    assert len({first[1], changed[1], version()[1]}) == 3


def test_a_refused_token_is_recorded_without_it(control: Control) -> None:
    bob = control.user("bob")
    [token] = bob.ok("GET", "/v1/tokens")["items"]
    bob.ok("DELETE", f"/v1/tokens/{token['id']}")
    bob.fails(401, "GET", "/v1/spaces")
    Api(control.http, "ks_" + "A" * 43).fails(401, "GET", "/v1/users")
    unknown, revoked = asked(control.admin, allowed="false")
    assert (revoked["principal"], revoked["token_id"]) == ("user:bob", token["id"])
    assert (revoked["operation"], revoked["action"]) == ("list_spaces", "authenticate")
    assert (unknown["principal"], unknown["token_id"]) == ("anyone", None)
    assert unknown["operation"] == "list_users"
    for event in (revoked, unknown):
        assert event["remote"] == "testclient"
        assert "ks_" not in str(event)


def test_pages_follow_each_other(control: Control, people: People) -> None:
    seen = []
    query = {"limit": "2", "operation": "list_tags"}
    while True:
        page = control.admin.ok("GET", f"/v1/audit?{urlencode(query)}")
        seen += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len(seen) == 9
    assert seen == asked(control.admin, operation="list_tags")
    assert asked(control.admin, operation="list_tags", oldest_first="true") == seen[::-1]


def test_a_page_looks_through_so_much_and_no_more(
    control: Control, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (files, table):
        monkeypatch.setattr(kind, "SCAN", 1)
    page = control.admin.ok("GET", "/v1/audit?what=*nothing")
    assert page["items"] == []
    assert page["next"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "x"},
        {"since": "2026-03-01T00:00:00"},
        {"since": "soon"},
        {"allowed": "perhaps"},
        {"what": "x" * 1001},
        {"who": "a\n"},
    ],
)
def test_what_cannot_be_asked(control: Control, query: dict[str, Any]) -> None:
    control.admin.fails(400, "GET", f"/v1/audit?{urlencode(query)}")


def test_asking_is_recorded(control: Control, people: People) -> None:
    asked(people.bob, what="vision", allowed="false")
    event = asked(control.admin, operation="list_events", who="user:bob")[0]
    assert event["about"] == "audit what=vision allowed=False"
