from __future__ import annotations

import pytest

from control_fixture import Api, Control


@pytest.fixture
def olga(control: Control) -> Api:
    """The owner of a space, who is no administrator."""
    found = control.user("olga")
    for space in ("vision", "audio"):
        control.space(space)
    control.grant("user:olga", "owner", "vision")
    return found


def trainer(by: Api, **more: object) -> Api:
    """Make a service, and call as it."""
    by.ok("POST", "/v1/services", {"name": "trainer"} | more)
    return Api(by.http, by.ok("POST", "/v1/tokens", {"service": "trainer"})["secret"])


def test_an_owner_makes_a_service_of_a_space(control: Control, olga: Api) -> None:
    made = olga.ok("POST", "/v1/services", {"name": "trainer", "space": "vision"})
    assert (made["name"], made["display_name"], made["space"]) == ("trainer", "trainer", "vision")
    new = olga.ok("POST", "/v1/tokens", {"service": "trainer", "label": "nightly"})
    assert (new["token"]["user"], new["token"]["service"]) == ("trainer", True)
    service = Api(control.http, new["secret"])
    found = service.ok("GET", "/v1/whoami")
    assert (found["principal"], found["administrator"]) == ("service:trainer", False)
    assert found["grants"] == []
    service.fails(404, "GET", "/v1/spaces/vision")
    body = {"principal": "service:trainer", "role": "writer", "pattern": "vision/models"}
    olga.ok("POST", "/v1/grants", body)
    service.ok("GET", "/v1/authorize?scope=vision/models/net&operation=write")


def test_a_service_takes_an_owner_of_all_of_its_space(control: Control, olga: Api) -> None:
    part = control.user("part")
    control.grant("user:part", "owner", "vision/models")
    part.fails(403, "POST", "/v1/services", {"name": "a", "space": "vision"})
    olga.fails(404, "POST", "/v1/services", {"name": "a", "space": "audio"})
    olga.fails(404, "POST", "/v1/services", {"name": "a", "space": "none"})
    olga.fails(403, "POST", "/v1/services", {"name": "a"})
    control.admin.ok("POST", "/v1/services", {"name": "a"})


def test_only_who_administers_it_makes_its_tokens(control: Control, olga: Api) -> None:
    control.admin.ok("POST", "/v1/services", {"name": "everywhere"})
    trainer(olga, space="vision")
    # an owner may look it up, to grant to it, and do nothing else
    assert olga.ok("GET", "/v1/services/everywhere")["space"] is None
    olga.fails(403, "POST", "/v1/tokens", {"service": "everywhere"})
    olga.fails(403, "POST", "/v1/services/everywhere/disable")
    other = control.user("other")
    control.grant("user:other", "owner", "audio")
    other.fails(403, "POST", "/v1/tokens", {"service": "trainer"})
    other.fails(403, "GET", "/v1/tokens?service=trainer")
    assert [t["user"] for t in olga.ok("GET", "/v1/tokens")["items"]] == ["olga", "trainer"]
    assert [t["user"] for t in olga.ok("GET", "/v1/tokens?service=trainer")["items"]] == ["trainer"]
    assert [t["user"] for t in other.ok("GET", "/v1/tokens")["items"]] == ["other"]


def test_who_no_longer_owns_the_space_no_longer_administers_it(control: Control, olga: Api) -> None:
    trainer(olga, space="vision")
    [grant] = olga.ok("GET", "/v1/grants?principal=user:olga")["items"]
    [token] = olga.ok("GET", "/v1/tokens?service=trainer")["items"]
    control.admin.ok("DELETE", f"/v1/grants/{grant['id']}")
    olga.fails(404, "POST", "/v1/tokens", {"service": "trainer"})
    olga.fails(404, "DELETE", f"/v1/tokens/{token['id']}")


def test_a_service_sees_itself_and_no_other(control: Control, olga: Api) -> None:
    service = trainer(olga, space="vision")
    control.admin.ok("POST", "/v1/services", {"name": "other"})
    assert [s["name"] for s in service.ok("GET", "/v1/services")["items"]] == ["trainer"]
    assert service.ok("GET", "/v1/users")["items"] == []
    hidden = service.fails(404, "GET", "/v1/services/other")
    absent = service.fails(404, "GET", "/v1/services/nobody")
    assert hidden["detail"] == absent["detail"].replace("nobody", "other")
    service.ok("POST", "/v1/tokens", {"label": "the next one"})


def test_a_disabled_service_is_out_at_once_and_its_grants_count_for_nothing(
    control: Control, olga: Api
) -> None:
    service = trainer(olga, space="vision")
    grant = control.grant("service:trainer", "reader", "vision")
    service.ok("GET", "/v1/spaces/vision")
    disabled = olga.ok("POST", "/v1/services/trainer/disable")
    assert disabled["disabled_at"] is not None
    problem = service.fails(401, "GET", "/v1/whoami")
    assert problem["detail"].endswith("the service is disabled.")
    assert olga.ok("POST", "/v1/services/trainer/disable") == disabled
    assert "disabled" in olga.fails(400, "POST", "/v1/tokens", {"service": "trainer"})["detail"]
    # the grant is still told, and can be taken away; nobody else ever gets the name
    assert grant in {g["id"] for g in olga.ok("GET", "/v1/grants?space=vision")["items"]}
    for path in ("/v1/services", "/v1/users"):
        control.admin.fails(409, "POST", path, {"name": "trainer"})
    olga.ok("DELETE", f"/v1/grants/{grant}")


def test_users_and_services_are_never_taken_for_each_other(control: Control, olga: Api) -> None:
    control.user("bob")
    trainer(olga, space="vision")
    olga.fails(409, "POST", "/v1/services", {"name": "bob", "space": "vision"})
    admin = control.admin
    for path in ("/v1/users/trainer", "/v1/services/bob", "/v1/tokens?user=trainer"):
        admin.fails(404, "GET", path)
    for path in ("/v1/users/trainer/disable", "/v1/services/bob/disable"):
        admin.fails(404, "POST", path)
    admin.fails(404, "POST", "/v1/tokens", {"user": "trainer"})
    admin.fails(404, "POST", "/v1/tokens", {"service": "bob"})
    admin.fails(400, "POST", "/v1/tokens", {"service": "trainer", "user": "bob"})
    for principal in ("user:trainer", "service:bob"):
        body = {"principal": principal, "role": "reader", "pattern": "vision"}
        admin.fails(404, "POST", "/v1/grants", body)
    assert "trainer" not in {u["name"] for u in admin.ok("GET", "/v1/users")["items"]}


def test_the_lines_name_the_service(control: Control, olga: Api) -> None:
    service = trainer(olga, space="vision")
    answer = service("GET", "/v1/spaces")
    [line] = control.audit(answer.headers["X-Request-Id"])
    assert line["principal"] == "service:trainer"
    made = olga("POST", "/v1/tokens", {"service": "trainer"})
    [line] = control.audit(made.headers["X-Request-Id"])
    assert line["target"] == "service:trainer"
    revoked = olga("DELETE", f"/v1/tokens/{made.json()['token']['id']}")
    [line] = control.audit(revoked.headers["X-Request-Id"])
    assert line["about"] == "of service:trainer"
