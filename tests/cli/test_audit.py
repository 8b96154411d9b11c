"""The record of decisions, from the command line."""

from __future__ import annotations

import json

import pytest

from cli.harness import Run, document
from klarity_storage.protocol.audit import AuditEvent, AuditPage
from server_fixture import RunningServer

pytestmark = pytest.mark.real


@pytest.fixture
def bob(server: RunningServer, run: Run, space: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user who reads one dataset of the space, and tried to push to it; the runner is admin."""
    monkeypatch.setenv("KS_URL", server.address)
    monkeypatch.setenv("KS_TOKEN", server.token)
    name = f"bob-{space}"
    run("space", "create", space)
    run("user", "create", name)
    run("grant", "add", name, "reader", f"{space}/datasets/cats")
    secret = run("token", "create", "--user", name, "-q").stdout.strip()
    monkeypatch.setenv("KS_TOKEN", secret)
    run("push", f"{space}/datasets/cats", "cats", code=4)
    monkeypatch.setenv("KS_TOKEN", server.token)
    return name


def test_who_did_what_since_when(run: Run, bob: str, space: str) -> None:
    shown = run("audit", "--who", bob, "--what", f"{space}/datasets", "--since", "2d").stdout
    assert f"user:{bob}" in shown
    assert "127.0.0.1" in shown
    asked = ("audit", "--who", bob, "--refused", "--did", "find_place")
    (event,) = document(run(*asked, "--json"), AuditPage).items
    assert (event.target, event.allowed) == (f"{space}/datasets/cats", False)
    assert event.reason == "granted as reader; it takes writer"
    assert run(*asked, "-q").stdout == f"{event.request_id}\n"
    (same,) = document(run("audit", "--request", event.request_id, "--json"), AuditPage).items
    assert same == event
    assert run(*asked, "--until", "2d").stdout == ""
    assert len(document(run("audit", "-n", "3", "--json"), AuditPage).items) == 3


def test_the_export_is_one_line_a_decision(run: Run, bob: str, space: str) -> None:
    lines = run("audit", "export", "--what", space).stdout.splitlines()
    events = [AuditEvent(**json.loads(line)) for line in lines]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert {"create_grant", "find_place"} <= {event.operation for event in events}
    assert len(run("audit", "export", "--what", space, "-n", "1").stdout.splitlines()) == 1


def test_a_moment_that_is_none(run: Run, bob: str) -> None:
    assert "date" in run("audit", "--since", "soon", code=2).stderr
