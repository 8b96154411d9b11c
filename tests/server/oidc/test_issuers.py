from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from control_fixture import Api, Control
from oidc_fixture import Provider, SigningKey, claims_of


def caller(control: Control, token: str) -> Api:
    return Api(control.http, token)


def test_a_token_of_the_provider_is_a_user_that_is_made_at_first_sight(
    corp: Control, provider: Provider
) -> None:
    alice = caller(corp, provider.token("subject-of-alice"))
    found = alice.ok("GET", "/v1/whoami")
    assert (found["principal"], found["display_name"]) == ("user:alice", "Alice A.")
    assert not found["administrator"]
    assert found["token_id"].startswith("jwt_")
    assert corp.admin.ok("GET", "/v1/users/alice")["issuer"] == provider.issuer
    again = caller(corp, provider.token("subject-of-alice")).ok("GET", "/v1/whoami")
    assert again["principal"] == "user:alice"
    made = [line for line in corp.audit() if line["operation"] == "know_the_caller"]
    assert [line["target"] for line in made] == ["user alice"]
    assert "subject-of-alice" in made[0]["about"]


def test_many_requests_at_first_sight_make_one_user(corp: Control, provider: Provider) -> None:
    callers = [caller(corp, provider.token("subject-of-alice")) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: each("GET", "/v1/whoami"), callers))
    assert {answer.json().get("principal") for answer in answers} == {"user:alice"}
    names = [user["name"] for user in corp.admin.ok("GET", "/v1/users")["items"]]
    assert names == ["admin", "alice"]


def test_a_name_that_the_issuer_changes_stays_here(
    corp: Control, provider: Provider, first_key: SigningKey
) -> None:
    for name in ("erin", "erin-2", "Erin Married", None):
        claims = claims_of(provider.issuer, sub="of-erin", preferred_username=name)
        found = caller(corp, first_key.sign(claims)).ok("GET", "/v1/whoami")
        assert found["principal"] == "user:erin"


def test_grants_reach_whom_an_issuer_vouches_for(corp: Control, provider: Provider) -> None:
    alice = caller(corp, provider.token("subject-of-alice"))
    alice.ok("GET", "/v1/whoami")
    corp.space("vision")
    alice.fails(404, "GET", "/v1/spaces/vision")
    corp.grant("user:alice", "reader", "vision")
    assert alice.ok("GET", "/v1/spaces/vision")["key"] == "vision"


def test_a_group_of_the_issuer_reaches_what_it_was_granted(
    corp: Control, provider: Provider
) -> None:
    alice = caller(corp, provider.token("subject-of-alice"))
    carol = caller(corp, provider.token("subject-of-carol"))
    for each in (alice, carol):
        each.ok("GET", "/v1/whoami")
    corp.space("vision")
    for group in ("team", "corp.team"):
        corp.admin.ok("POST", "/v1/groups", {"name": group})
    corp.grant("group:team", "owner", "vision")
    alice.fails(404, "GET", "/v1/spaces/vision")  # this server's own group of that name is another
    corp.grant("group:corp.team", "reader", "vision")
    assert alice.ok("GET", "/v1/spaces/vision")["key"] == "vision"
    carol.fails(404, "GET", "/v1/spaces/vision")
    corp.admin.ok("PUT", "/v1/groups/corp.team/members/carol")
    assert carol.ok("GET", "/v1/spaces/vision")["key"] == "vision"


def test_a_token_that_was_made_here_is_in_no_group_of_the_issuer(
    corp: Control, provider: Provider
) -> None:
    bob = caller(corp, provider.token("subject-of-bob"))
    assert bob.ok("GET", "/v1/whoami")["administrator"]
    own = caller(corp, bob.ok("POST", "/v1/tokens", {})["secret"])
    assert not own.ok("GET", "/v1/whoami")["administrator"]


def test_the_administrators_of_the_issuer_are_administrators(
    corp: Control, provider: Provider
) -> None:
    bob = caller(corp, provider.token("subject-of-bob"))
    assert bob.ok("GET", "/v1/whoami")["administrator"]
    assert not bob.ok("GET", "/v1/users/bob")["administrator"]  # by the token, not for ever


def test_a_disabled_user_is_refused_at_once(corp: Control, provider: Provider) -> None:
    alice = caller(corp, provider.token("subject-of-alice"))
    alice.ok("GET", "/v1/whoami")
    corp.admin.ok("POST", "/v1/users/alice/disable")
    assert "disabled" in alice.fails(401, "GET", "/v1/whoami")["detail"]


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ("subject-of-admin", "the name 'admin' belongs to an account that is not this one"),
        ("subject-of-dave", "'Dave Smith', which the issuer says in 'preferred_username'"),
        ("subject-of-nobody", "it has no text in the claim 'preferred_username'"),
    ],
)
def test_a_name_that_nobody_may_take(
    corp: Control, provider: Provider, account: str, told: str
) -> None:
    token = provider.token(account)
    assert told in caller(corp, token).fails(401, "GET", "/v1/whoami")["detail"]
    assert [user["name"] for user in corp.admin.ok("GET", "/v1/users")["items"]] == ["admin"]


def test_a_name_stays_with_the_subject_that_had_it_first(corp: Control, provider: Provider) -> None:
    caller(corp, provider.token("subject-of-alice")).ok("GET", "/v1/whoami")
    other = caller(corp, provider.token("another-alice"))
    assert "belongs to an account" in other.fails(401, "GET", "/v1/whoami")["detail"]


def test_a_local_user_is_not_taken_over(corp: Control, provider: Provider) -> None:
    local = corp.user("carol")
    theirs = caller(corp, provider.token("subject-of-carol"))
    assert "belongs to an account" in theirs.fails(401, "GET", "/v1/whoami")["detail"]
    assert local.ok("GET", "/v1/whoami")["principal"] == "user:carol"


def test_a_token_is_in_no_log_and_no_line(
    corp: Control, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    token = provider.token("subject-of-alice")
    with caplog.at_level(0, "klarity_storage"):
        caller(corp, token).ok("GET", "/v1/whoami")
        caller(corp, token[:-4] + "AAAA").fails(401, "GET", "/v1/whoami")
    for part in token.split("."):
        assert part not in caplog.text
        assert part not in str(corp.audit())


def test_a_server_says_where_to_log_in(corp: Control, provider: Provider) -> None:
    assert corp.stranger.ok("GET", "/v1/server")["issuers"] == [
        {
            "name": "corp",
            "issuer": provider.issuer,
            "client_id": "ks-cli",
            "scopes": ["openid", "profile", "offline_access"],
            "resource": None,
        }
    ]


def test_a_server_without_issuers_knows_no_such_token(control: Control, provider: Provider) -> None:
    answer = caller(control, provider.token("subject-of-alice")).fails(401, "GET", "/v1/whoami")
    assert "the token is unknown" in answer["detail"]
