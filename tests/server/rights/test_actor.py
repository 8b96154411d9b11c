from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.grants import Role
from klarity_storage.server.rights.actor import Actor, Ceiling, Principal, PrincipalKind
from klarity_storage.server.rights.patterns import Pattern


def test_an_actor_is_itself_its_groups_anyone_and_the_public() -> None:
    alice = Actor("alice", "Alice", administrator=False, groups=("annotators", "staff"))
    assert alice.principal == "user:alice"
    assert alice.principals == ("user:alice", "group:annotators", "group:staff", "anyone", "public")


def test_a_service_is_no_user() -> None:
    trainer = Actor("trainer", "Trainer", administrator=False, service=True)
    assert trainer.principals == ("service:trainer", "anyone", "public")


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("user:alice", PrincipalKind.USER, "alice"),
        ("group:staff", PrincipalKind.GROUP, "staff"),
        ("service:ci.nightly", PrincipalKind.SERVICE, "ci.nightly"),
        ("anyone", None, "anyone"),
    ],
)
def test_what_is_a_principal(text: str, kind: PrincipalKind | None, name: str) -> None:
    found = Principal.parse(text)
    assert (found.kind, found.name) == (kind, name)
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "alice",
        "user:",
        "user:Alice",
        "user:a/b",
        "User:alice",
        "team:a",
        "anyone:a",
        "user:a\n",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Principal.parse(text)
    assert refusal.value.hint


@pytest.mark.parametrize("text", ["reader:vision", "owner:vision/datasets/c*"])
def test_what_a_token_can_be_narrowed_to(text: str) -> None:
    assert str(Ceiling.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "reader", "reader:", ":vision", "king:vision", "reader:*", "reader:vision/x/y/z"]
)
def test_what_a_token_cannot_be_narrowed_to(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Ceiling.parse(text)
    assert refusal.value.hint


@given(text=st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (Principal.parse, Ceiling.parse):
        with suppress(InvalidInputError):
            assert str(read(text)) == text


def test_a_ceiling_is_a_role_and_a_pattern() -> None:
    assert Ceiling.parse("writer:vision/models") == (Role.WRITER, Pattern.parse("vision/models"))
