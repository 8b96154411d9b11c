"""What a token that was narrowed may do: never more than its account, never more than it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.protocol.grants import Grant, Role
from klarity_storage.server.rights.actor import Actor, Ceiling
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
ROOT = Actor("root", "Root", administrator=True, token_id="mine")


def grant(role: str, pattern: str, principal: str = "user:bob") -> Grant:
    return Grant(
        id=f"{role}@{pattern}",
        principal=principal,
        role=Role(role),
        pattern=pattern,
        created_at=NOW,
        created_by="user:root",
    )


def bob(*scopes: str, administrator: bool = False) -> Actor:
    ceilings = tuple(map(Ceiling.parse, scopes))
    return Actor("bob", "Bob", administrator=administrator, token_id="mine", scopes=ceilings)


def told(actor: Actor, action: str, target: str | Target, *grants: Grant) -> Decision:
    where = Pattern.parse(target) if isinstance(target, str) else target
    return decide(actor, Action(action), where, grants, NOW)


@pytest.mark.parametrize(
    ("scope", "granted", "may"),
    [
        ("reader:vision", "owner", "list read"),
        ("writer:vision/datasets", "owner", "list read write"),
        ("owner:vision/datasets/c*", "owner", "list read write own"),
        ("owner:vision", "writer", "list read write"),
        ("owner:vision", "reader", "list read"),
        ("owner:vision/models", "owner", ""),
        ("owner:vision/datasets/cats2", "owner", ""),
        ("owner:vision2", "owner", ""),
    ],
)
def test_the_lesser_of_the_two_counts(scope: str, granted: str, may: str) -> None:
    held = grant(granted, "vision")
    allowed = [a for a in Action if told(bob(scope), a, "vision/datasets/cats", held).allowed]
    assert " ".join(allowed) == may


def test_what_lies_beyond_the_token_looks_absent() -> None:
    decision = told(
        bob("owner:vision/models"), "read", "vision/datasets/cats", grant("owner", "vision")
    )
    assert not decision.visible
    assert decision.reason == "the token is narrowed to owner:vision/models"


def test_the_refusal_says_that_it_is_the_token() -> None:
    own = grant("owner", "vision")
    decision = told(
        bob("reader:vision", "writer:vision/models"), "write", "vision/datasets/cats", own
    )
    assert decision == Decision(
        False,
        True,
        "the token is narrowed to reader:vision, writer:vision/models",
        narrowed=True,
    )
    assert not told(bob("reader:vision"), "own", "vision", grant("reader", "vision")).narrowed


def test_a_decision_still_names_the_grant() -> None:
    own = grant("owner", "vision")
    assert told(bob("reader:vision"), "read", "vision/datasets/cats", own).via == own.id


@pytest.mark.parametrize("administrator", [False, True])
def test_a_narrowed_token_makes_no_tokens_and_administers_nothing(*, administrator: bool) -> None:
    token = bob("owner:vision", administrator=administrator)
    for target in (Server(), Account("bob"), Account("eve")):
        assert not told(token, "own", target, grant("owner", "vision")).allowed
    assert told(token, "read", Account("bob")).allowed
    assert told(token, "read", Server()).allowed


@pytest.mark.parametrize("administrator", [False, True])
def test_a_narrowed_token_knows_itself_alone(*, administrator: bool) -> None:
    token = bob("owner:vision", administrator=administrator)
    assert told(token, "own", TokenRecord("mine", "bob")).allowed
    assert not told(token, "read", TokenRecord("other", "bob")).visible
    assert not told(token, "read", TokenRecord("other", "eve")).visible


def test_it_grants_what_it_owns_and_nothing_beside() -> None:
    own, token = grant("owner", "vision"), bob("owner:vision/datasets")
    assert told(token, "own", "vision/datasets/c*", own).allowed
    assert not told(token, "own", "vision", own).allowed
    assert not told(token, "own", "vision/models", own).allowed
    hers = GrantRecord("g", grant("reader", "vision/models", "user:eve"))
    assert not told(token, "own", hers, own).visible
    assert told(bob("reader:vision"), "own", hers, own).allowed is False


def test_an_administrators_token_can_be_narrowed() -> None:
    token = bob("reader:vision", administrator=True)
    assert told(token, "read", "vision/datasets/cats").via == "administrator"
    assert not told(token, "write", "vision/datasets/cats").allowed
    assert not told(token, "read", "audio").visible


SPACES = st.sampled_from(["a", "ab"])
KINDS = st.sampled_from(["datasets", "models", "tables"])
PATTERNS = st.one_of(
    SPACES,
    st.tuples(SPACES, KINDS).map("/".join),
    st.tuples(SPACES, KINDS, st.text("ab*?", min_size=1, max_size=3)).map("/".join),
)
ROLES = st.sampled_from([role.value for role in Role])
GRANTS = st.builds(
    grant,
    role=ROLES,
    pattern=PATTERNS,
    principal=st.sampled_from(["user:bob", "user:eve", "group:staff", "anyone"]),
)
CEILINGS = st.lists(
    st.builds("{}:{}".format, ROLES, PATTERNS).map(Ceiling.parse), min_size=1, max_size=3
)
TARGETS = st.one_of(
    PATTERNS.map(Pattern.parse),
    st.sampled_from([Server(), Account("bob"), Account("eve"), TokenRecord("t", "bob")]),
    GRANTS.map(lambda g: GrantRecord(g.id, g)),
)


@given(
    action=st.sampled_from(list(Action)),
    target=TARGETS,
    grants=st.lists(GRANTS, max_size=5),
    scopes=CEILINGS,
    administrator=st.booleans(),
)
def test_narrowing_never_gives(
    action: Action,
    target: Target,
    grants: list[Grant],
    scopes: list[Ceiling],
    *,
    administrator: bool,
) -> None:
    whole = Actor("bob", "Bob", administrator=administrator, token_id="mine", groups=("staff",))
    narrowed = replace(whole, scopes=tuple(scopes))
    free = decide(whole, action, target, grants, NOW)
    bound = decide(narrowed, action, target, grants, NOW)
    assert bound.allowed <= free.allowed
    assert bound.visible <= free.visible
    assert bound.visible or not bound.allowed
    if isinstance(target, Pattern):
        as_granted = [grant(role, str(pattern)) for role, pattern in scopes]
        scoped_only = replace(whole, administrator=False, groups=())
        assert bound.allowed <= decide(scoped_only, action, target, as_granted, NOW).allowed
