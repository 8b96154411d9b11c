from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from control_fixture import Control


def test_an_administrator_makes_users(control: Control) -> None:
    made = control.admin.ok("POST", "/v1/users", {"name": "bob", "display_name": "Bob B."})
    assert (made["name"], made["display_name"], made["administrator"]) == ("bob", "Bob B.", False)
    assert made["disabled_at"] is None
    assert control.admin.ok("GET", "/v1/users/bob") == made
    assert [u["name"] for u in control.admin.ok("GET", "/v1/users")["items"]] == ["admin", "bob"]


def test_a_user_takes_an_administrator(control: Control) -> None:
    bob = control.user("bob")
    bob.fails(403, "POST", "/v1/users", {"name": "eve", "administrator": True})
    control.admin.fails(404, "GET", "/v1/users/eve")


def test_of_two_at_once_one_wins(control: Control) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: control.admin("POST", "/v1/users", {"name": "bob"}), range(8))
        )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7


def test_others_look_like_nobody(control: Control) -> None:
    bob = control.user("bob")
    control.user("eve")
    assert [u["name"] for u in bob.ok("GET", "/v1/users")["items"]] == ["bob"]
    assert bob.ok("GET", "/v1/users/bob")["name"] == "bob"
    for path in ("/v1/users/{}", "/v1/tokens?user={}"):
        hidden = bob.fails(404, "GET", path.format("eve"))
        absent = bob.fails(404, "GET", path.format("nil"))
        assert hidden["code"] == absent["code"] == "principal_not_found"
        assert hidden["detail"] == absent["detail"].replace("nil", "eve")
    for name in ("eve", "nil"):
        bob.fails(404, "POST", f"/v1/users/{name}/disable")
        bob.fails(404, "POST", "/v1/tokens", {"user": name})


def test_owners_may_look_users_up_to_grant_to_them(control: Control) -> None:
    bob = control.user("bob")
    control.user("eve")
    control.space("vision")
    control.grant("user:bob", "owner", "vision/datasets")
    assert bob.ok("GET", "/v1/users/eve")["name"] == "eve"
    assert bob.fails(403, "GET", "/v1/tokens?user=eve")["code"] == "forbidden"
    bob.fails(403, "POST", "/v1/tokens", {"user": "eve"})
    bob.fails(403, "POST", "/v1/users/eve/disable")


def test_a_disabled_user_is_out_at_once(control: Control) -> None:
    bob = control.user("bob")
    bob.ok("GET", "/v1/whoami")
    disabled = control.admin.ok("POST", "/v1/users/bob/disable")
    assert disabled["disabled_at"] is not None
    assert bob.fails(401, "GET", "/v1/whoami")["detail"].endswith("the user is disabled.")
    assert control.admin.ok("POST", "/v1/users/bob/disable") == disabled
    problem = control.admin.fails(400, "POST", "/v1/tokens", {"user": "bob"})
    assert "disabled" in problem["detail"]


def test_the_last_administrator_stays(control: Control) -> None:
    problem = control.admin.fails(400, "POST", "/v1/users/admin/disable")
    assert "last administrator" in problem["detail"]
    second = control.user("chief", administrator=True)
    second.ok("POST", "/v1/users/admin/disable")
    control.admin.fails(401, "GET", "/v1/whoami")
    second.fails(400, "POST", "/v1/users/chief/disable")
