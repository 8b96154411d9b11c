"""Tokens that nobody may come in with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from control_fixture import Api, Control
from oidc_fixture import Provider, SigningKey, claims_of, rsa_key
from server.oidc.stub_issuer import StubIssuer


def part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(control: Control, token: str, told: str) -> None:
    problem = Api(control.http, token).fails(401, "GET", "/v1/whoami")
    assert told in problem["detail"], problem
    users = control.admin.ok("GET", "/v1/users")["items"]
    assert "carol" not in [user["name"] for user in users]


def test_the_token_that_the_attacks_are_made_of_is_good(
    fortress: Control, provider: Provider, first_key: SigningKey
) -> None:
    claims = claims_of(provider.issuer, sub="good", preferred_username="good")
    bearer = Api(fortress.http, first_key.sign(claims))
    assert bearer.ok("GET", "/v1/whoami")["principal"] == "user:good"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_a_token_that_is_not_signed(
    fortress: Control, provider: Provider, alg: str, signature: str
) -> None:
    header = {"alg": alg, "typ": "at+jwt", "kid": "first"}
    token = f"{part(header)}.{part(claims_of(provider.issuer))}.{signature}"
    refused(fortress, token, "not signed in a way that its issuer may use")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["PEM", "DER", "JWK", "n"])
def test_a_token_signed_with_the_public_key_as_a_shared_secret(
    fortress: Control, provider: Provider, first_key: SigningKey, alg: str, form: str
) -> None:
    public = first_key.private.public_key()
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(first_key.public_jwk).encode(),
        "n": first_key.public_jwk["n"].encode(),
    }[form]
    signed = f"{part({'alg': alg, 'kid': 'first'})}.{part(claims_of(provider.issuer))}"
    digest = hmac.new(secret, signed.encode(), getattr(hashlib, f"sha{alg[2:]}")).digest()
    refused(fortress, f"{signed}.{part(digest)}", "not signed in a way that its issuer may use")


def test_a_token_signed_with_another_key(fortress: Control, provider: Provider) -> None:
    claims = claims_of(provider.issuer)
    refused(fortress, rsa_key("first").sign(claims), "the token's signature does not fit")
    refused(fortress, rsa_key("unknown").sign(claims), "a key that its issuer does not have")


LATER = 4_000_000_000
"""In 2096."""


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"aud": "https://elsewhere.example.org"}, "for another audience"),
        ({"aud": ["a", "b"]}, "for another audience"),
        ({"aud": []}, "no claim 'aud'"),
        ({"aud": None}, "no claim 'aud'"),
        ({"aud": {"https://storage.example.org": 1}}, "for another audience"),
        ({"aud": "https://storage.example.org/"}, "for another audience"),
        ({"iss": "https://elsewhere.example.org"}, "of an issuer that this server does not trust"),
        ({"iss": None}, "cannot be read"),
        ({"iss": 7}, "cannot be read"),
        ({"exp": 1_700_000_000}, "has expired"),
        ({"exp": None}, "no claim 'exp'"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": -1}, "has expired"),
        ({"nbf": LATER}, "not valid yet"),
        ({"nbf": [1]}, "cannot be read"),
        ({"iat": LATER}, "not valid yet"),
        ({"sub": None}, "no claim 'sub'"),
        ({"sub": 7}, "cannot be read"),
        ({"sub": ""}, "no subject"),
        ({"sub": "x" * 256}, "no subject"),
        ({"cnf": {"jkt": "thumbprint"}}, "bound to a key"),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "of an event"),
        ({"preferred_username": "../../etc"}, "cannot be the name of a user"),
        ({"preferred_username": "user:admin"}, "cannot be the name of a user"),
        ({"preferred_username": "cаrol"}, "cannot be the name of a user"),  # noqa: RUF001
        ({"preferred_username": "carol\r\nX-Role: owner"}, "cannot be the name of a user"),
        ({"preferred_username": ["carol"]}, "no text in the claim"),
    ],
    ids=str,
)
def test_a_claim_that_does_not_hold(
    fortress: Control, provider: Provider, first_key: SigningKey, claims: dict[str, Any], told: str
) -> None:
    refused(fortress, first_key.sign(claims_of(provider.issuer, **claims)), told)


def test_clocks_may_differ_a_little_and_no_more(
    fortress: Control, provider: Provider, first_key: SigningKey
) -> None:
    now = int(time.time())
    good = {"sub": "good", "preferred_username": "good"}
    for near in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}):
        token = first_key.sign(claims_of(provider.issuer, **good, **near))
        Api(fortress.http, token).ok("GET", "/v1/whoami")
    for far, told in (
        ({"exp": now - 31}, "expired"),
        ({"nbf": now + 90}, "not valid yet"),
        ({"iat": now + 90}, "not valid yet"),
    ):
        refused(fortress, first_key.sign(claims_of(provider.issuer, **far)), told)


@pytest.mark.parametrize("shift", [".", "/", "//", "/.", "?x", "#", " ", "%2e", "\t"])
def test_an_issuer_that_is_nearly_the_right_one(
    fortress: Control, provider: Provider, first_key: SigningKey, shift: str
) -> None:
    token = first_key.sign(claims_of(provider.issuer, iss=provider.issuer + shift))
    refused(fortress, token, "of an issuer that this server does not trust")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"typ": "logout+jwt"}, "another type"),
        ({"typ": "dpop+jwt"}, "another type"),
        ({"typ": "JWE"}, "another type"),
        ({"crit": ["exp"]}, "critical header"),
        ({"crit": ["b64"], "b64": False}, "critical header"),
        ({"kid": "../../../../dev/null"}, "a key that its issuer does not have"),
        ({"kid": "first' OR '1'='1"}, "a key that its issuer does not have"),
        ({"kid": "FIRST"}, "a key that its issuer does not have"),
        ({"kid": "http://127.0.0.1/key"}, "a key that its issuer does not have"),
        ({"kid": ""}, "a key that its issuer does not have"),
    ],
    ids=str,
)
def test_a_header_that_plays_tricks(
    fortress: Control,
    provider: Provider,
    first_key: SigningKey,
    headers: dict[str, Any],
    told: str,
) -> None:
    good = SigningKey("first", first_key.private)
    claims = claims_of(provider.issuer)
    if "b64" in headers:
        token = f"{part({'alg': 'RS256', 'kid': 'first'} | headers)}.{part(claims)}.AAAA"
    else:
        token = good.sign(claims, **headers)
    refused(fortress, token, told)


@pytest.mark.parametrize("kid", [7, ["first"], {"a": 1}, True])
def test_a_key_id_that_is_no_text(fortress: Control, provider: Provider, kid: object) -> None:
    header = {"alg": "RS256", "kid": kid}
    token = f"{part(header)}.{part(claims_of(provider.issuer))}.AAAA"
    refused(fortress, token, "cannot be read")


def test_a_header_that_brings_or_names_its_own_key(
    fortress: Control, provider: Provider, stub: StubIssuer
) -> None:
    own = rsa_key("first")
    stub.keys = [own.public_jwk]
    claims = claims_of(provider.issuer)
    for header in (
        {"jku": f"{stub.url}/jwks"},
        {"x5u": f"{stub.url}/jwks"},
        {"jwk": own.public_jwk},
        {"x5c": ["MIIB"]},
        {"jku": f"{stub.url}/jwks", "kid": f"{stub.url}/jwks"},
    ):
        refused(fortress, own.sign(claims, **header), "")
    assert stub.asked == []


@pytest.mark.parametrize(
    "token",
    [
        "..",
        "a.b.c",
        f"{part(b'[]')}.{part(b'{}')}.",
        f"{part(b'7')}.{part(b'7')}.AAAA",
        f"{part(b'{')}.{part(b'{')}.AAAA",
        f"{part(bytes(range(128, 256)))}.{part(b'{}')}.AAAA",
        f"{part({'alg': 'RS256'})}.{part(b'[' * 9_000)}.AAAA",
        f"{part(b'[' * 9_000)}.{part(b'{}')}.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0=.AAAA==",
        "é.é.é",
    ],
    ids=range(10),
)
def test_what_only_looks_like_a_token(fortress: Control, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
    answer = fortress.http.get("/v1/whoami", headers=headers)
    assert answer.status_code == 401, answer.text


def test_a_huge_token_is_not_read(
    fortress: Control, provider: Provider, first_key: SigningKey
) -> None:
    token = first_key.sign(claims_of(provider.issuer, padding="x" * 20_000))
    refused(fortress, token, "more than 16,384 characters")


def test_a_token_whose_signature_was_seen_is_not_another(
    fortress: Control, provider: Provider, first_key: SigningKey
) -> None:
    """What is remembered is the whole token, not its signature or its id."""
    good = first_key.sign(claims_of(provider.issuer, sub="s", preferred_username="erin", jti="1"))
    Api(fortress.http, good).ok("GET", "/v1/whoami")
    header, _, signature = good.split(".")
    other = part(claims_of(provider.issuer, jti="1"))
    refused(fortress, f"{header}.{other}.{signature}", "the token's signature does not fit")
    refused(fortress, good + "=", "cannot be read")


def test_a_token_that_was_good_ends(
    fortress: Control, provider: Provider, first_key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claims_of(provider.issuer, sub="good", preferred_username="good")
    bearer = Api(fortress.http, first_key.sign(claims))
    bearer.ok("GET", "/v1/whoami")
    late = SimpleNamespace(time=lambda: time.time() + 331)
    monkeypatch.setattr("klarity_storage.server.oidc.issuers.time", late)
    assert "has expired" in bearer.fails(401, "GET", "/v1/whoami")["detail"]
