from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from obstore.exceptions import PermissionDeniedError

from control_fixture import Control, open_store

pytestmark = pytest.mark.real

HASH = "0" * 64


def test_keys_reach_what_was_granted_and_nothing_beside(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", "reader", f"{space}/datasets/cats")
    bucket = real.services.buckets.main.engine.store
    bucket.put(f"{space}/datasets/cats/x", b"cats")
    bucket.put(f"{space}/datasets/cats2/x", b"cats2")
    store = open_store(bob, f"{space}/datasets/cats", duration=900)
    assert bytes(store.get(f"{space}/datasets/cats/x").bytes()) == b"cats"
    with pytest.raises(PermissionDeniedError):
        store.get(f"{space}/datasets/cats2/x")
    with pytest.raises(PermissionDeniedError):
        store.put(f"{space}/datasets/cats/y", b"no")
    [line] = [x for x in real.audit() if x["operation"] == "issue_credentials"]
    assert (line["principal"], line["action"], line["target"], line["allowed"]) == (
        "user:bob",
        "read",
        f"{space}/datasets/cats",
        True,
    )


def test_keys_expire(real: Control, space: str) -> None:
    real.space(space)
    body = {"scope": space, "duration": 900}
    expires = real.admin.ok("POST", "/v1/credentials", body)["expires_at"]
    left = datetime.fromisoformat(expires) - datetime.now(UTC)
    assert timedelta(minutes=13) < left < timedelta(minutes=16)
    for duration in (0, 899, 43_201):
        real.admin.fails(400, "POST", "/v1/credentials", body | {"duration": duration})


def test_a_glob_is_no_grant_on_the_whole(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", "owner", f"{space}/datasets/c*")
    open_store(bob, f"{space}/datasets/cats")
    for scope in (space, f"{space}/datasets"):
        problem = bob.fails(403, "POST", "/v1/credentials", {"scope": scope})
        assert problem["hint"].startswith("Ask for one name of")
    bob.fails(404, "POST", "/v1/credentials", {"scope": f"{space}/datasets/dogs"})
    bob.fails(404, "POST", "/v1/credentials", {"scope": f"{space}x/datasets/cats"})


@pytest.mark.parametrize(
    ("role", "operation", "status"),
    [
        ("reader", "read", 200),
        ("reader", "write", 403),
        ("writer", "write", 200),
        ("writer", "overwrite", 403),
        ("owner", "overwrite", 200),
    ],
)
def test_each_operation_takes_its_role(
    real: Control, space: str, role: str, operation: str, status: int
) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", role, f"{space}/tables/runs")
    body = {"scope": f"{space}/tables/runs", "operation": operation}
    assert bob("POST", "/v1/credentials", body).status_code == status


def test_a_grant_on_a_table_reaches_its_rows_binaries(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", "reader", f"{space}/tables/runs")
    key = f"{space}/raw_binary/runs/812/scan.dcm"
    real.services.buckets.main.engine.store.put(key, b"scan")
    assert bytes(open_store(bob, f"{space}/tables/runs").get(key).bytes()) == b"scan"


def test_a_push_writes_its_versions_folder_alone(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    real.grant("user:bob", "writer", f"{space}/models/net")
    scope = f"{space}/models/net"
    store = open_store(bob, scope, operation="write", version=HASH)
    store.put(f"{scope}/{HASH}/weights.bin", b"w")
    for key in (f"{scope}/{'1' * 64}/weights.bin", f"{scope}/_log/{0:020d}.json"):
        with pytest.raises(PermissionDeniedError):
            store.put(key, b"no")
    body = {"scope": scope, "operation": "write"}
    bob.fails(400, "POST", "/v1/credentials", body)
    bob.fails(400, "POST", "/v1/credentials", body | {"version": "latest"})


@pytest.mark.parametrize("scope", ["", "*", "a/b", "a/datasets/c*", "a/datasets/x/y", "../a"])
def test_a_scope_that_cannot_be_is_refused(real: Control, scope: str) -> None:
    assert real.admin("POST", "/v1/credentials", {"scope": scope}).status_code == 400
