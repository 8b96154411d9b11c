"""What only a server has, from the command line, and who is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from cli.harness import Run, document
from cli.terminal import on_terminal
from klarity_storage.protocol.grants import Grant, GrantList
from klarity_storage.protocol.groups import Group
from klarity_storage.protocol.rights import RightList
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.services import Service
from klarity_storage.protocol.spaces import Quota, Space
from klarity_storage.protocol.tokens import NewToken, TokenList
from klarity_storage.protocol.users import User, UserList
from server_fixture import RunningServer

pytestmark = pytest.mark.real


@pytest.fixture
def admin(server: RunningServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ks as the first administrator."""
    monkeypatch.setenv("KS_URL", server.address)
    monkeypatch.setenv("KS_TOKEN", server.token)
    return run


@pytest.fixture
def alice(admin: Run, space: str) -> str:
    """A user whom no other test knows."""
    name = f"alice-{space}"
    admin("user", "create", name, "--display-name", "Alice Martin")
    return name


def test_users_are_created_listed_and_disabled(admin: Run, alice: str) -> None:
    users = document(admin("user", "ls", "--json"), UserList).items
    assert [user.display_name for user in users if user.name == alice] == ["Alice Martin"]
    assert alice in admin("user", "ls").stdout
    assert "already" in admin("user", "create", alice, code=5).stderr
    assert "--yes" in admin("user", "disable", alice, code=2).stderr
    assert document(admin("user", "disable", alice, "--yes", "--json"), User).disabled_at
    admin("user", "disable", "nobody-of-that-name", "--yes", code=3)


def test_a_secret_is_printed_once_and_nowhere_else(
    admin: Run, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = admin("token", "create", "--user", alice, "--label", "laptop", "--expires-in", "30d")
    secret = made.stdout.strip()
    assert re.fullmatch(r"ks_[A-Za-z0-9_-]{43}", secret)
    assert secret not in made.stderr
    (token,) = document(admin("token", "ls", "--user", alice, "--json"), TokenList).items
    assert token.label == "laptop"
    assert token.expires_at is not None
    assert 29 <= (token.expires_at - datetime.now(UTC)).days <= 30
    monkeypatch.setenv("KS_TOKEN", secret)
    for args in (["token", "ls"], ["whoami"], ["whoami", "--json"], ["ls", "--traceback"]):
        assert secret not in admin(*args).output
    monkeypatch.setenv("KS_TOKEN", secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    refused = admin("whoami", "--traceback", code=4).output
    assert secret[:20] not in refused
    assert "ks login" in refused


def test_a_revoked_token_ends_at_once(
    admin: Run, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = document(admin("token", "create", "--user", alice, "--json"), NewToken)
    assert "--yes" in admin("token", "revoke", new.token.id, code=2).stderr
    admin("token", "revoke", new.token.id, "--yes")
    monkeypatch.setenv("KS_TOKEN", new.secret)
    assert "try: ks login" in admin("whoami", code=4).stderr


def test_a_person_is_asked_before_what_cannot_be_undone(admin: Run, alice: str) -> None:
    new = document(admin("token", "create", "--user", alice, "--json"), NewToken)
    refused = on_terminal("token", "revoke", new.token.id, typed=("[y/N]", "n\n"), code=1)
    assert f"Revoke the token {new.token.id}?" in refused
    assert "Nothing was done." in refused
    assert "Revoked" in on_terminal("token", "revoke", new.token.id, typed=("[y/N]", "y\n"))


def test_grants_are_given_listed_and_taken_back(
    server: RunningServer, admin: Run, alice: str, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("space", "create", space, "--description", "Pictures")
    assert "Pictures" in admin("space", "ls").stdout
    args = ("grant", "add", alice, "writer", f"{space}/datasets", "--until", "2099-12-31")
    grant = document(admin(*args, "--json"), Grant)
    assert grant.principal == f"user:{alice}"
    assert grant.expires_at == datetime(2099, 12, 31, tzinfo=UTC)
    everyone = document(
        admin("grant", "add", "anyone", "reader", f"{space}/models", "--json"), Grant
    )
    assert everyone.principal == "anyone"
    listed = document(admin("grant", "ls", "--principal", alice, "--json"), GrantList).items
    assert [each.id for each in listed] == [grant.id]
    assert f"{space}/datasets" in admin("grant", "ls", "--space", space).stdout

    token = admin("token", "create", "--user", alice, "-q").stdout.strip()
    monkeypatch.setenv("KS_TOKEN", token)
    identity = document(admin("whoami", "--json"), Identity)
    assert identity.principal == f"user:{alice}"
    assert f"writer on {space}/datasets" in admin("whoami").stdout
    admin("push", f"{space}/datasets/cats", "cats")
    assert admin("push", f"{space}/models/net", "net.bin", code=4).stdout == ""
    admin("push", "elsewhere/datasets/cats", "cats", code=3)
    assert "administrator" in admin("user", "create", "mallory", code=4).stderr

    monkeypatch.setenv("KS_TOKEN", server.token)
    admin("grant", "rm", grant.id)
    monkeypatch.setenv("KS_TOKEN", token)
    assert admin("push", f"{space}/datasets/cats", "report", code=None).exit_code in {3, 4}


def test_bad_input_is_refused_before_it_is_sent(admin: Run) -> None:
    assert "duration" in admin("token", "create", "--expires-in", "soon", code=2).stderr
    assert "date" in admin("grant", "add", "a", "reader", "x", "--until", "soon", code=2).stderr
    assert "'boss'" in admin("grant", "add", "a", "boss", "x", code=2).stderr


def test_a_space_has_a_quota(admin: Run, space: str) -> None:
    admin("space", "create", space)
    said = admin("space", "quota", space, "--bytes", "1.5GB", "--objects", "1M")
    assert (said.stdout, "1.5 GB and 1,000,000 objects" in said.stderr) == (f"{space}\n", True)
    made = document(admin("space", "show", space, "--json"), Space)
    assert made.quota == Quota(bytes=1_500_000_000, objects=1_000_000)
    shown = admin("space", "show", space).stdout
    assert re.search(r"holds +0 B in 0 objects\n", shown)
    assert re.search(r"quota +1\.5 GB and 1,000,000 objects\n", shown)
    assert re.search(r"bucket +main\nstrategy +reference\n", shown)
    lifted = document(admin("space", "quota", space, "--none", "--json"), Space)
    assert lifted.quota == Quota()
    assert "quota" not in admin("space", "show", space).stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--none alone"),
        (["--none", "--bytes", "1GB"], "--none alone"),
        (["--bytes", "much"], "a size such as 500MB"),
        (["--objects", "1GB"], "a number such as 200k"),
    ],
)
def test_a_quota_that_cannot_be_read_is_told(admin: Run, words: list[str], named: str) -> None:
    assert named in admin("space", "quota", "vision", *words, code=2).stderr


def test_a_space_lies_in_a_bucket_that_the_server_has(admin: Run, space: str) -> None:
    told = admin("space", "create", space, "--bucket", "none", code=2).stderr
    assert "The server has no bucket 'none'." in told
    assert "It has: main." in told


def test_who_may_do_what_and_why(
    server: RunningServer, admin: Run, alice: str, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("space", "create", space)
    cats = f"{space}/datasets/cats"
    grant = admin("grant", "add", alice, "writer", f"{space}/datasets", "-q").stdout.strip()
    shown = admin("grant", "explain", alice, cats).stdout
    assert "granted as writer; it takes owner" in shown
    assert grant in shown
    lines = admin("grant", "explain", alice, cats, "-q").stdout.splitlines()
    assert lines == ["list yes", "read yes", "write yes", "own no"]
    assert f"user:{alice}" in admin("grant", "who", cats).stdout
    assert f"user:{alice}" in admin("grant", "who", "write", cats, "-q").stdout.splitlines()
    owners = document(admin("grant", "who", "own", cats, "--json"), RightList).items
    assert f"user:{alice}" not in {right.principal for right in owners}
    assert "Write one of" in admin("grant", "who", "steal", cats, code=2).stderr

    monkeypatch.setenv("KS_TOKEN", admin("token", "create", "--user", alice, "-q").stdout.strip())
    assert "write" in admin("grant", "explain", alice, cats).stdout
    assert "ks " in admin("grant", "explain", "admin", cats, code=4).stderr


def test_a_group_is_granted_to_and_left_again(
    server: RunningServer, admin: Run, alice: str, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("space", "create", space)
    crew = f"crew-{space}"
    assert document(admin("group", "create", crew, "-d", "All", "--json"), Group).members == []
    admin("group", "add", crew, alice)
    assert f"user:{alice}" in admin("group", "show", crew).stdout
    assert crew in admin("group", "ls").stdout
    admin("grant", "add", f"group:{crew}", "reader", space)
    token = admin("token", "create", "--user", alice, "-q").stdout.strip()
    monkeypatch.setenv("KS_TOKEN", token)
    assert crew in admin("whoami").stdout
    assert space in admin("space", "ls", "-q").stdout
    monkeypatch.setenv("KS_TOKEN", server.token)
    admin("group", "remove", crew, alice)
    monkeypatch.setenv("KS_TOKEN", token)
    assert space not in admin("space", "ls", "-q").stdout
    monkeypatch.setenv("KS_TOKEN", server.token)
    assert "--yes" in admin("group", "rm", crew, code=2).stderr
    admin("group", "rm", crew, "--yes")
    grants = document(admin("grant", "ls", "--space", space, "--json"), GrantList).items
    assert f"group:{crew}" not in {grant.principal for grant in grants}
    admin("group", "show", crew, code=3)


def test_a_service_has_tokens_and_no_more(
    server: RunningServer, admin: Run, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("space", "create", space)
    name = f"trainer-{space}"
    made = document(admin("service", "create", name, "--space", space, "--json"), Service)
    assert (made.name, made.space) == (name, space)
    assert name in admin("service", "ls").stdout
    secret = admin("token", "create", "--service", name, "-q").stdout.strip()
    assert f"service:{name}" in admin("token", "ls", "--service", name).stdout
    monkeypatch.setenv("KS_TOKEN", secret)
    assert admin("whoami", "-q").stdout == f"service:{name}\n"
    monkeypatch.setenv("KS_TOKEN", server.token)
    admin("service", "disable", name, "--yes")
    monkeypatch.setenv("KS_TOKEN", secret)
    admin("whoami", code=4)


def test_a_narrowed_token_says_so_and_is_not_widened(
    admin: Run, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin("space", "create", space)
    scope = f"reader:{space}/datasets"
    secret = admin("token", "create", "--scope", scope, "-q").stdout.strip()
    assert scope in admin("token", "ls").stdout
    monkeypatch.setenv("KS_TOKEN", secret)
    assert scope in admin("whoami").stdout
    refused = admin("push", f"{space}/datasets/cats", "cats", code=4).stderr
    assert f"the token is narrowed to {scope}" in refused
    assert "not narrowed" in refused
    admin("token", "create", code=4)
    admin("user", "create", f"eve-{space}", code=4)


def test_a_scope_that_cannot_be_read_is_refused(admin: Run) -> None:
    assert "reader:vision/datasets" in admin("token", "create", "--scope", "x", code=2).stderr
