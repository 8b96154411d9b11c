from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.protocol.grants import Grant, Role
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.decide import Action, Decision, decide
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.targets import (
    Account,
    GrantRecord,
    Server,
    Target,
    TokenRecord,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOB = Actor("bob", "Bob", administrator=False)
ROOT = Actor("root", "Root", administrator=True)


def grant(
    role: str, pattern: str, principal: str = "user:bob", expires_at: datetime | None = None
) -> Grant:
    return Grant(
        id=f"{role}@{pattern}",
        principal=principal,
        role=Role(role),
        pattern=pattern,
        created_at=NOW,
        created_by="user:root",
        expires_at=expires_at,
    )


def bob(action: str, target: str | Target, *grants: Grant) -> Decision:
    where = Pattern.parse(target) if isinstance(target, str) else target
    return decide(BOB, Action(action), where, grants, NOW)


CATS = "vision/datasets/cats"


@pytest.mark.parametrize(
    ("role", "pattern", "target", "may"),
    [
        # role by role, on the name itself
        ("reader", CATS, CATS, "list read"),
        ("writer", CATS, CATS, "list read write"),
        ("owner", CATS, CATS, "list read write own"),
        # from above
        ("writer", "vision", CATS, "list read write"),
        ("writer", "vision/datasets", CATS, "list read write"),
        ("owner", "vision", "vision/tables/runs", "list read write own"),
        ("reader", "vision/datasets/c*", CATS, "list read"),
        ("reader", "vision/datasets/cat?", CATS, "list read"),
        # beside
        ("owner", "vision/datasets/dogs", CATS, ""),
        ("owner", "vision/models", CATS, ""),
        ("owner", "vision2", CATS, ""),
        ("owner", "vision/datasets/cat", CATS, ""),
        ("owner", "vision/datasets/cats2", CATS, ""),
        # a part shows that the whole is there, and gives nothing of it
        ("owner", CATS, "vision", "list"),
        ("owner", CATS, "vision/datasets", "list"),
        ("owner", CATS, "vision/models", "list"),
        ("owner", "vision/datasets/c*", "vision/datasets", "list"),
        ("reader", "vision/datasets/*", "vision/datasets", "list read"),
        ("owner", "vision/datasets", "vision/datasets", "list read write own"),
        ("owner", "vision2", "vision", ""),
    ],
)
def test_what_a_role_may(role: str, pattern: str, target: str, may: str) -> None:
    allowed = [action for action in Action if bob(action, target, grant(role, pattern)).allowed]
    assert " ".join(allowed) == may


def test_no_grant_shows_nothing() -> None:
    for action in Action:
        assert bob(action, CATS) == Decision(False, False, "no grant reaches it")


def test_the_decision_names_the_grant_that_allows_it() -> None:
    weak, strong = grant("reader", "vision"), grant("writer", CATS)
    assert bob("write", CATS, weak, strong).via == strong.id
    assert bob("read", "vision", weak, strong).via == weak.id
    refused = bob("own", CATS, weak, strong)
    assert (refused.allowed, refused.visible, refused.via) == (False, True, None)
    assert refused.reason == "granted as writer; it takes owner"


def test_a_part_is_not_the_whole() -> None:
    refused = bob("read", "vision/datasets", grant("owner", "vision/datasets/c*"))
    assert (refused.allowed, refused.visible) == (False, True)
    assert refused.reason == "no grant covers the whole of it"


def test_a_grant_ends_on_the_dot() -> None:
    tick = timedelta(microseconds=1)
    assert not bob("read", CATS, grant("owner", CATS, expires_at=NOW)).visible
    assert bob("read", CATS, grant("owner", CATS, expires_at=NOW + tick)).allowed


def test_anyone_is_everybody_and_others_are_not() -> None:
    assert bob("read", CATS, grant("reader", CATS, "anyone")).allowed
    assert not bob("read", CATS, grant("owner", CATS, "user:eve")).visible
    assert not bob("read", CATS, grant("owner", CATS, "user:bobby")).visible


@pytest.mark.parametrize(
    ("target", "own_too"),
    [(Account("bob"), True), (TokenRecord("t", "bob"), True), (Server(), False)],
)
def test_what_is_ones_own(target: Target, own_too: bool) -> None:
    assert bob("list", target).allowed
    assert bob("read", target).allowed
    assert bob("own", target).allowed is own_too
    assert bob("own", target).visible


def test_others_accounts_and_tokens_are_hidden_but_owners_see_users() -> None:
    owner = grant("owner", CATS)
    assert not bob("read", Account("eve")).visible
    assert not bob("read", Account("eve"), grant("writer", "vision")).visible
    assert bob("read", Account("eve"), owner).via == owner.id
    assert bob("own", Account("eve"), owner) == Decision(
        False, True, "it takes the account itself or an administrator"
    )
    assert not bob("read", TokenRecord("t", "eve"), owner).visible


def test_grants_are_seen_by_whom_they_are_for_and_removed_by_owners() -> None:
    mine, hers = grant("reader", CATS), grant("reader", CATS, "user:eve")
    assert bob("read", GrantRecord("g", mine), mine).allowed
    assert bob("own", GrantRecord("g", mine), mine).visible
    assert not bob("own", GrantRecord("g", mine), mine).allowed
    assert not bob("read", GrantRecord("g", hers), mine).visible
    assert bob("own", GrantRecord("g", hers), grant("owner", "vision")).allowed


@pytest.mark.parametrize("target", [GrantRecord("g", None), TokenRecord("t", None)])
def test_what_is_not_there_is_nobodys(target: Target) -> None:
    for actor in (BOB, ROOT):
        decision = decide(actor, Action.READ, target, [grant("owner", "vision")], NOW)
        assert (decision.allowed, decision.visible) == (False, False)


@pytest.mark.parametrize(
    "target", [Server(), Account("eve"), TokenRecord("t", "eve"), Pattern.parse(CATS)]
)
def test_administrators_own_everything(target: Target) -> None:
    for action in Action:
        decision = decide(ROOT, action, target, [], NOW)
        assert decision.allowed
        assert decision.via == "administrator"


SPACES = st.sampled_from(["a", "ab"])
KINDS = st.sampled_from(["datasets", "models", "tables"])
PATTERNS = st.one_of(
    SPACES,
    st.tuples(SPACES, KINDS).map("/".join),
    st.tuples(SPACES, KINDS, st.text("ab*?", min_size=1, max_size=3)).map("/".join),
)
GRANTS = st.builds(
    grant,
    role=st.sampled_from([role.value for role in Role]),
    pattern=PATTERNS,
    principal=st.sampled_from(["user:bob", "user:eve", "anyone"]),
    expires_at=st.sampled_from([None, NOW - timedelta(1), NOW, NOW + timedelta(1)]),
)
TARGETS = st.one_of(
    PATTERNS.map(Pattern.parse),
    st.sampled_from([Server(), Account("bob"), Account("eve"), TokenRecord("t", "eve")]),
    GRANTS.map(lambda g: GrantRecord(g.id, g)),
)
ACTIONS = st.sampled_from(list(Action))
STRENGTH = list(Action)


@given(action=ACTIONS, target=TARGETS, grants=st.lists(GRANTS, max_size=5), more=GRANTS)
def test_one_more_grant_never_takes_away(
    action: Action, target: Target, grants: list[Grant], more: Grant
) -> None:
    before = decide(BOB, action, target, grants, NOW)
    after = decide(BOB, action, target, [*grants, more], NOW)
    assert after.allowed >= before.allowed
    assert after.visible >= before.visible


@given(action=ACTIONS, target=TARGETS, grants=st.lists(GRANTS, max_size=5))
def test_what_is_allowed_is_visible_and_what_is_less_is_allowed_too(
    action: Action, target: Target, grants: list[Grant]
) -> None:
    decision = decide(BOB, action, target, grants, NOW)
    assert decision.visible or not decision.allowed
    assert (decision.via is not None) is decision.allowed
    if decision.allowed:
        for weaker in STRENGTH[: STRENGTH.index(action)]:
            assert decide(BOB, weaker, target, grants, NOW).allowed


@given(action=ACTIONS, target=TARGETS, grants=st.lists(GRANTS, max_size=5))
def test_dead_and_foreign_grants_count_for_nothing(
    action: Action, target: Target, grants: list[Grant]
) -> None:
    live = [
        g
        for g in grants
        if g.principal != "user:eve" and (g.expires_at is None or g.expires_at > NOW)
    ]
    assert decide(BOB, action, target, grants, NOW) == decide(BOB, action, target, live, NOW)


@given(action=ACTIONS, target=PATTERNS.map(Pattern.parse), grants=st.lists(GRANTS, max_size=5))
def test_grants_of_another_space_count_for_nothing(
    action: Action, target: Pattern, grants: list[Grant]
) -> None:
    here = [g for g in grants if g.pattern.split("/")[0] == target.space]
    assert decide(BOB, action, target, grants, NOW) == decide(BOB, action, target, here, NOW)
