from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from control_fixture import Control, MemoryEngine, running_control
from klarity_storage.protocol.grants import Grant, Role
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.rights.actor import PUBLIC, Actor, Stranger
from klarity_storage.server.rights.decide import Action, decide
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.targets import Account, Server

NOW = datetime.now(UTC)
SITE = Grant(
    id="grant_site", principal=PUBLIC, role=Role.READER, pattern="site", created_at=NOW,
    created_by="server",
)  # fmt: skip
ANYONES = Grant(
    id="grant_open", principal="anyone", role=Role.READER, pattern="open", created_at=NOW,
    created_by="user:admin",
)  # fmt: skip


@pytest.fixture
def buckets(memory_engine: MemoryEngine) -> list[Bucket]:
    site = Bucket("site", MemoryEngine(), Strategy.WEB, public=True)
    return [Bucket("main", memory_engine), site]


@pytest.mark.parametrize("action", list(Action))
def test_who_has_no_token_reads_what_is_public_and_nothing_else(action: Action) -> None:
    reads = action in {Action.LIST, Action.READ}
    grants = [SITE, ANYONES]
    target = Pattern.parse("site/artefacts/app")
    found = decide(Stranger(), action, target, grants, NOW)
    assert (found.allowed, found.visible) == (reads, True)
    assert found.via == (SITE.id if reads else None)
    for hidden in (Pattern("open"), Pattern("other"), Server(), Account("alice")):
        found = decide(Stranger(), action, hidden, grants, NOW)
        assert (found.allowed, found.visible) == (False, False)


def test_who_has_a_token_reads_it_too() -> None:
    alice = Actor("alice", "", administrator=False)
    assert decide(alice, Action.READ, Pattern("site"), [SITE], NOW).via == SITE.id
    assert not decide(alice, Action.WRITE, Pattern("site"), [SITE], NOW).allowed


def test_a_space_of_a_public_bucket_is_open_and_the_audit_line_says_why(
    tmp_path: Path, buckets: list[Bucket]
) -> None:
    with running_control(tmp_path, buckets) as control:
        control.admin.ok("POST", "/v1/spaces", {"key": "front", "bucket": "site"})
        control.space("closed")
        bob = control.user("bob")
        [grant] = [
            grant
            for grant in control.admin.ok("GET", "/v1/grants?space=front")["items"]
            if grant["principal"] == "public"
        ]
        assert (grant["role"], grant["pattern"], grant["created_by"]) == (
            "reader",
            "front",
            "server",
        )
        answer = bob("GET", "/v1/spaces/front")
        assert answer.json()["public"] is True
        [line] = control.audit(answer.headers["X-Request-Id"])
        assert (line["allowed"], line["via"]) == (True, grant["id"])
        assert [s["key"] for s in bob.ok("GET", "/v1/spaces")["items"]] == ["front"]
        bob.fails(404, "GET", "/v1/spaces/closed")
        body = {"scope": "front/artefacts/app", "operation": "write", "version": "0" * 64}
        bob.fails(403, "POST", "/v1/credentials", body)
        problem = control.admin.fails(409, "DELETE", f"/v1/grants/{grant['id']}")
        assert "because of the bucket" in problem["detail"]
        wanted = {"principal": "public", "role": "reader", "pattern": "closed"}
        control.admin.fails(400, "POST", "/v1/grants", wanted)


def test_a_bucket_that_is_public_no_more_takes_it_back_at_the_next_start(
    tmp_path: Path, buckets: list[Bucket]
) -> None:
    def opened(control: Control) -> bool:
        items = control.admin.ok("GET", "/v1/grants?space=front")["items"]
        return "public" in {grant["principal"] for grant in items}

    main, site = buckets
    with running_control(tmp_path, buckets) as control:
        control.admin.ok("POST", "/v1/spaces", {"key": "front", "bucket": "site"})
        assert opened(control)
        token = control.admin.token
    for public in (False, True):
        with running_control(tmp_path, [main, replace(site, public=public)]) as control:
            again = replace(control, admin=replace(control.admin, token=token))
            assert opened(again) is public
