from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from control_fixture import Api, Control
from klarity_storage.server.db import schema


def test_a_token_is_random_and_only_its_hash_is_kept(control: Control) -> None:
    made = control.admin.ok("POST", "/v1/tokens", {"label": "laptop"})
    secret = made["secret"]
    assert re.fullmatch(r"ks_[A-Za-z0-9_-]{43}", secret)
    assert secret != control.token("admin")
    with control.services.database.read() as connection:
        row = (
            connection.execute(
                select(schema.tokens).where(schema.tokens.c.id == made["token"]["id"])
            )
            .mappings()
            .one()
        )
    assert row["hash"] == hashlib.sha256(secret.encode()).hexdigest()
    kept = [file for file in control.data.rglob("*") if file.is_file()]
    assert kept or control.services.database.kind != "sqlite"
    assert secret not in str(row)
    for file in kept:
        assert secret.encode() not in file.read_bytes(), file


def test_lists_never_hold_a_secret(control: Control) -> None:
    bob = control.user("bob")
    [token] = bob.ok("GET", "/v1/tokens")["items"]
    assert token["user"] == "bob"
    assert set(token) == {
        "id",
        "user",
        "label",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "service",
        "scopes",
    }
    assert {t["user"] for t in control.admin.ok("GET", "/v1/tokens")["items"]} == {"admin", "bob"}
    assert [t["user"] for t in control.admin.ok("GET", "/v1/tokens?user=bob")["items"]] == ["bob"]
    control.admin.fails(404, "GET", "/v1/tokens?user=nobody")


def test_a_revoked_token_opens_nothing_from_then_on(control: Control) -> None:
    bob = control.user("bob")
    [token] = bob.ok("GET", "/v1/tokens")["items"]
    bob.ok("DELETE", f"/v1/tokens/{token['id']}")
    assert bob.fails(401, "GET", "/v1/whoami")["detail"].endswith("the token is revoked.")
    [token] = control.admin.ok("GET", "/v1/tokens?user=bob")["items"]
    assert token["revoked_at"] is not None
    control.admin.ok("DELETE", f"/v1/tokens/{token['id']}")
    assert control.admin.ok("GET", "/v1/tokens?user=bob")["items"] == [token]


def test_anothers_token_looks_like_none(control: Control) -> None:
    bob, eve = control.user("bob"), control.user("eve")
    [token] = eve.ok("GET", "/v1/tokens")["items"]
    hidden = bob.fails(404, "DELETE", f"/v1/tokens/{token['id']}")
    absent = bob.fails(404, "DELETE", "/v1/tokens/token_0000000000000000")
    assert hidden["detail"] == absent["detail"].replace("token_0000000000000000", token["id"])
    eve.ok("GET", "/v1/whoami")


def test_a_token_expires(control: Control) -> None:
    made = control.admin.ok("POST", "/v1/tokens", {"expires_in": 60})
    api = Api(control.http, made["secret"])
    api.ok("GET", "/v1/whoami")
    end = datetime.fromisoformat(made["token"]["expires_at"])
    assert end - datetime.fromisoformat(made["token"]["created_at"]) == timedelta(seconds=60)
    with control.services.rights.change() as connection:
        connection.execute(
            update(schema.tokens)
            .where(schema.tokens.c.id == made["token"]["id"])
            .values(expires_at=datetime.now(UTC))
        )
    assert api.fails(401, "GET", "/v1/whoami")["detail"].endswith("the token has expired.")


@pytest.mark.parametrize("seconds", [0, -1, 59, 10**12, 10**30, "soon"])
def test_an_end_that_cannot_be_is_refused(control: Control, seconds: object) -> None:
    problem = control.admin.fails(400, "POST", "/v1/tokens", {"expires_in": seconds})
    assert problem["code"] == "invalid_input"


def test_its_use_is_noted_once_a_minute(control: Control) -> None:
    bob = control.user("bob")

    def used() -> datetime:
        [token] = bob.ok("GET", "/v1/tokens")["items"]
        return datetime.fromisoformat(token["last_used_at"])

    first = used()
    assert used() == first
    long_ago = first - timedelta(seconds=61)
    with control.services.rights.change() as connection:
        connection.execute(
            update(schema.tokens).where(schema.tokens.c.user == "bob").values(last_used_at=long_ago)
        )
    assert used() >= first
