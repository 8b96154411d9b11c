from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import delete, event

from control_fixture import Control
from klarity_storage.errors import ForbiddenError, NotFoundError, StorageFullError
from klarity_storage.layout import Kind, Name
from klarity_storage.server.audit.sink import AuditEvent
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Account, Target
from klarity_storage.tables.failures import not_found as table_not_found
from klarity_storage.versions.history import History

CATS = Pattern.parse("vision/datasets/cats")


@pytest.fixture
def bob(control: Control) -> Context:
    control.user("bob")
    control.space("vision")
    actor = Actor("bob", "Bob", administrator=False, token_id="token_1")
    return Context(control.services, actor, "try_it", "request-1", "192.0.2.7")


def test_the_target_comes_back_and_the_line_names_the_grant(control: Control, bob: Context) -> None:
    grant = control.grant("user:bob", "writer", "vision/datasets/c*")
    assert require(bob, Action.WRITE, CATS, about="version 3f9a") is CATS
    [line] = control.audit("request-1")
    line.pop("at")
    assert re.fullmatch(r"[0-9a-f]{12}", line.pop("grant_version"))
    assert line == {
        "request_id": "request-1",
        "principal": "user:bob",
        "token_id": "token_1",
        "remote": "192.0.2.7",
        "operation": "try_it",
        "action": "write",
        "target": "vision/datasets/cats",
        "scope": "vision/datasets/cats",
        "about": "version 3f9a",
        "allowed": True,
        "hidden": False,
        "via": grant,
        "reason": "granted as writer",
    }


def test_a_refusal_leaves_a_line_and_says_whom_to_ask(control: Control, bob: Context) -> None:
    control.grant("user:bob", "reader", "vision")
    with pytest.raises(ForbiddenError) as refusal:
        require(bob, Action.WRITE, CATS)
    assert refusal.value.hint == (
        "Ask an owner of vision/datasets/cats for: "
        "ks grant add user:bob writer vision/datasets/cats"
    )
    [line] = control.audit("request-1")
    assert (line["allowed"], line["via"]) == (False, None)
    assert line["reason"] == "granted as reader; it takes writer"


def test_a_broad_scope_needs_one_grant_on_all_of_it(control: Control, bob: Context) -> None:
    control.grant("user:bob", "owner", "vision/datasets/c*")
    for scope in ("vision", "vision/datasets"):
        with pytest.raises(ForbiddenError) as refusal:
            require(bob, Action.READ, Pattern.of_scope(scope))
        assert str(refusal.value.hint).startswith(f"Ask for one name of {scope}")


@pytest.mark.parametrize(
    "target",
    [
        Pattern.parse("vision"),
        Pattern.parse("vision/datasets"),
        CATS,
        Pattern.parse("vision/tables/runs"),
        Account("admin"),
    ],
)
def test_hidden_and_absent_sound_the_same(control: Control, bob: Context, target: Target) -> None:
    def refused() -> tuple[type[Exception], str, str | None]:
        with pytest.raises(NotFoundError) as refusal:
            require(bob, Action.READ, target)
        return refusal.type, refusal.value.message, refusal.value.hint

    hidden = refused()
    with control.services.rights.change() as connection:
        connection.execute(delete(schema.grants))
        connection.execute(delete(schema.spaces))
        connection.execute(delete(schema.tokens))
        connection.execute(delete(schema.users))
    assert refused() == hidden
    assert [line["reason"] for line in control.audit("request-1")] == [
        "no grant reaches it",
        "there is no such thing",
    ]


@pytest.mark.parametrize("known", ["vision", "admin"])
def test_what_is_hidden_is_looked_up_as_what_is_absent_is(
    control: Control, bob: Context, known: str
) -> None:
    """Memory knows what is there: to answer from it would tell by the time that it takes."""
    control.admin.ok("GET", "/v1/authorize?scope=vision/datasets/cats")
    control.admin.ok("GET", "/v1/whoami")
    statements: list[str] = []
    note = lambda *call: statements.append(call[2])  # noqa: E731
    event.listen(control.services.database._engine, "before_cursor_execute", note)
    asked = []
    for name in (known, "absent"):
        target = Account(name) if known == "admin" else Pattern(name)
        permitted(bob)  # what bob was granted is known from here on
        statements.clear()
        with pytest.raises(NotFoundError):
            require(bob, Action.READ, target)
        asked.append(list(statements))
    assert asked[0] == asked[1] != []


def test_hidden_names_sound_like_empty_histories_and_tables(bob: Context) -> None:
    with pytest.raises(NotFoundError) as hidden:
        require(bob, Action.READ, CATS)
    with pytest.raises(NotFoundError) as absent:
        History(Name("vision", Kind.DATASETS, "cats")).resolve()
    assert (hidden.type, str(hidden.value)) == (absent.type, str(absent.value))
    with pytest.raises(NotFoundError) as hidden:
        require(bob, Action.READ, Pattern.parse("vision/tables/runs"))
    missing = table_not_found(Name("vision", Kind.TABLES, "runs"))
    assert (hidden.type, str(hidden.value)) == (type(missing), str(missing))


def test_even_an_administrator_finds_no_space_that_is_not_there(control: Control) -> None:
    root = Context(control.services, Actor("admin", "", administrator=True), "try_it", "request-2")
    with pytest.raises(NotFoundError):
        require(root, Action.OWN, Pattern.parse("absent/datasets/cats"))
    assert control.audit("request-2")[0]["reason"] == "there is no such thing"


def test_what_cannot_be_recorded_does_not_happen(
    control: Control, bob: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.grant("user:bob", "owner", "vision")

    def full(event: AuditEvent) -> None:
        raise StorageFullError(f"No room for {event.operation}.")

    monkeypatch.setattr(control.services.audit, "write", full)
    with pytest.raises(StorageFullError):
        require(bob, Action.READ, CATS)
    assert control.admin.fails(507, "POST", "/v1/spaces", {"key": "audio"})["code"] == (
        "storage_full"
    )
    monkeypatch.undo()
    control.admin.fails(404, "GET", "/v1/spaces/audio")


def test_a_filter_keeps_what_may_be_read(control: Control, bob: Context) -> None:
    control.grant("user:bob", "reader", "vision/datasets/c*")
    may = permitted(bob)
    assert may(CATS)
    assert not may(Pattern.parse("vision/datasets/dogs"))
    assert not may(Pattern.parse("vision/datasets"))


def test_every_line_stands_alone(control: Control, bob: Context, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        require(bob, Action.READ, CATS, about="two\nlines \x1b[2J")
    [file] = (tmp_path / "audit").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert b"\x1b" not in file.read_bytes()
    assert control.audit("request-1")[0]["about"] == "two\nlines \x1b[2J"
