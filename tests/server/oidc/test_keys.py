"""Keys that change, and issuers that do not answer as they should."""

from __future__ import annotations

import concurrent.futures
import gzip
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from control_fixture import Api, Control
from klarity_storage.server.app import WORKERS
from klarity_storage.server.oidc import fetch, keys
from oidc_fixture import Provider, SigningKey, claims_of, rsa_key, running_provider
from server.oidc.conftest import Clock, Trusting, trust
from server.oidc.stub_issuer import Answer, StubIssuer
from waiting import until

ASK = "/v1/whoami"
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def fooled(trusting: Trusting, stub: StubIssuer, first_key: SigningKey) -> Control:
    """A control plane that trusts the stub, whose key is the first one."""
    stub.keys = [first_key.public_jwk]
    return trusting(corp=trust(stub.url))


def bearer(control: Control, token: str) -> Api:
    return Api(control.http, token)


def test_a_provider_that_rotates_its_keys(
    trusting: Trusting, clock: Clock, first_key: SigningKey, second_key: SigningKey
) -> None:
    with running_provider(first_key) as provider:
        corp = trusting(corp=trust(provider.issuer))
        old = bearer(corp, provider.token("subject-of-alice"))
        old.ok("GET", ASK)

        provider.rotate(second_key, first_key)
        clock.now += keys.PAUSE
        new = bearer(corp, provider.token("subject-of-alice"))
        new.ok("GET", ASK)
        old.ok("GET", ASK)

        provider.rotate(second_key)
        clock.now += keys.FRESH + 1
        told = old.fails(401, "GET", ASK)["detail"]
        assert "a key that its issuer does not have (now)" in told
        late = first_key.sign(claims_of(provider.issuer))
        assert "does not have" in bearer(corp, late).fails(401, "GET", ASK)["detail"]
        new.ok("GET", ASK)


def test_another_key_under_an_old_name_ends_what_the_old_one_signed(
    fooled: Control, stub: StubIssuer, clock: Clock, first_key: SigningKey
) -> None:
    old = bearer(fooled, first_key.sign(claims_of(stub.url)))
    old.ok("GET", ASK)
    other = rsa_key("first")
    stub.keys = [other.public_jwk]
    clock.now += keys.FRESH + 1
    old.fails(401, "GET", ASK)
    bearer(fooled, other.sign(claims_of(stub.url))).ok("GET", ASK)


def test_keys_are_fetched_once_and_kept(
    fooled: Control, stub: StubIssuer, first_key: SigningKey
) -> None:
    for number in range(5):
        bearer(fooled, first_key.sign(claims_of(stub.url, jti=str(number)))).ok("GET", ASK)
    assert stub.asked == [DISCOVERY, "/jwks"]


def test_unknown_keys_are_asked_for_once_in_a_while(
    fooled: Control, stub: StubIssuer, clock: Clock, first_key: SigningKey
) -> None:
    unknown = rsa_key("unknown")
    for number in range(20):
        claims = claims_of(stub.url, jti=str(number))
        bearer(fooled, unknown.sign(claims, kid=f"guess-{number}")).fails(401, "GET", ASK)
    assert stub.asked.count("/jwks") == 1
    clock.now += keys.PAUSE
    for _ in range(20):
        bearer(fooled, unknown.sign(claims_of(stub.url))).fails(401, "GET", ASK)
    assert stub.asked.count("/jwks") == 2


def test_an_issuer_that_is_down_for_a_while_is_not_missed(
    fooled: Control, stub: StubIssuer, clock: Clock, first_key: SigningKey
) -> None:
    def fail(request: BaseHTTPRequestHandler) -> None:
        request.send_error(500)

    alice = bearer(fooled, first_key.sign(claims_of(stub.url)))
    alice.ok("GET", ASK)
    stub.instead[DISCOVERY] = fail
    clock.now += keys.FRESH + 1
    alice.ok("GET", ASK)
    clock.now += keys.STALE
    assert "status 500" in alice.fails(503, "GET", ASK)["detail"]
    asked = len(stub.asked)
    alice.fails(503, "GET", ASK)
    assert len(stub.asked) == asked
    del stub.instead[DISCOVERY]
    clock.now += keys.PAUSE
    alice.ok("GET", ASK)


def redirect(request: BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("Location", "/inner")
    request.end_headers()


def send_endlessly(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(1600):
        request.wfile.write(b" " * 65_536)


def send_packed(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Encoding", "gzip")
    request.end_headers()
    request.wfile.write(gzip.compress(b" " * 100_000_000, 1))


def send_text(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"<html>log in first, and tell nobody: hunter2</html>")


def send_nesting(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"[" * 200_000)


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (redirect, "status 302"),
        (send_endlessly, "more than 262,144 bytes"),
        (send_packed, "more than 262,144 bytes"),
        (send_text, "not the document that belongs there"),
        (send_nesting, "not the document that belongs there"),
    ],
)
def test_an_answer_that_is_no_answer(
    fooled: Control, stub: StubIssuer, first_key: SigningKey, path: str, answer: Answer, told: str
) -> None:
    stub.instead = {path: answer}
    problem = bearer(fooled, first_key.sign(claims_of(stub.url))).fails(503, "GET", ASK)
    assert told in problem["detail"]
    assert "hunter2" not in str(problem)
    assert "/inner" not in stub.asked


def hang(stub: StubIssuer) -> Answer:
    def wait(request: BaseHTTPRequestHandler) -> None:
        del request
        stub.leave.wait(60)

    return wait


def drip(stub: StubIssuer) -> Answer:
    def send(request: BaseHTTPRequestHandler) -> None:
        while not stub.leave.wait(0.02):
            request.wfile.write(b"H")

    return send


@pytest.mark.parametrize("slowly", [hang, drip])
def test_an_issuer_that_hangs_keeps_nobody_else_waiting(
    fooled: Control,
    stub: StubIssuer,
    first_key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    slowly: Callable[[StubIssuer], Answer],
) -> None:
    monkeypatch.setattr(fetch, "PATIENCE", 3.0)
    stub.instead = {DISCOVERY: slowly(stub)}
    waiting = WORKERS + 5  # more than there are threads for requests
    with concurrent.futures.ThreadPoolExecutor(waiting) as pool:
        calls = [
            pool.submit(bearer(fooled, first_key.sign(claims_of(stub.url, jti=str(n)))), "GET", ASK)
            for n in range(waiting)
        ]
        until(lambda: stub.asked)
        assert fooled.admin.ok("GET", ASK)["principal"] == "user:admin"
        assert not any(call.done() for call in calls)
        assert {call.result().status_code for call in calls} == {503}
    assert stub.asked == [DISCOVERY]


def test_a_document_that_is_anothers(
    fooled: Control, stub: StubIssuer, first_key: SigningKey
) -> None:
    stub.document["issuer"] = "https://elsewhere.example.org"
    problem = bearer(fooled, first_key.sign(claims_of(stub.url))).fails(503, "GET", ASK)
    assert "is another's" in problem["detail"]


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "http://10.0.0.1/jwks", "ftp://127.0.0.1/", "", "jwks", "://"]
)
def test_a_document_that_leads_elsewhere(
    fooled: Control, stub: StubIssuer, first_key: SigningKey, address: str
) -> None:
    stub.document["jwks_uri"] = address
    problem = bearer(fooled, first_key.sign(claims_of(stub.url))).fails(503, "GET", ASK)
    assert "neither https nor" in problem["detail"]


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
def test_the_kinds_of_keys_that_are_used(
    trusting: Trusting, stub: StubIssuer, first_key: SigningKey
) -> None:
    corp = trusting(corp=trust(stub.url, algorithms=("RS256", "ES256", "ES384")))
    small = rsa_key("small", 1024)
    p256 = SigningKey("p256", ec.generate_private_key(ec.SECP256R1()), "ES256")
    p384 = SigningKey("p384", ec.generate_private_key(ec.SECP384R1()), "ES384")
    off = SigningKey("off", ec.generate_private_key(ec.SECP521R1()), "ES512")
    secret, enc, told = rsa_key("secret"), rsa_key("enc"), rsa_key("told")
    stub.keys = [
        7,
        {"kty": "RSA", "kid": "broken"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        small.public_jwk,
        p256.public_jwk,
        p384.public_jwk,
        off.public_jwk,
        secret.jwk,
        enc.public_jwk | {"use": "enc"},
        told.public_jwk | {"alg": "RS512"},
        first_key.public_jwk,
    ]
    for key, good in {
        first_key: True, p256: True, p384: True, small: False, off: False, secret: False,
        enc: False, told: False,
    }.items():  # fmt: skip
        answer = bearer(corp, key.sign(claims_of(stub.url)))("GET", ASK)
        assert answer.is_success is good, (key.kid, answer.text)
    confused = SigningKey("p256", first_key.private).sign(claims_of(stub.url))
    bearer(corp, confused).fails(401, "GET", ASK)


def test_a_token_without_a_key_id_is_of_the_only_key(
    trusting: Trusting, stub: StubIssuer, clock: Clock, first_key: SigningKey
) -> None:
    corp = trusting(corp=trust(stub.url))
    nameless = {k: v for k, v in first_key.public_jwk.items() if k != "kid"}
    stub.keys = [nameless]
    token = jwt.encode(claims_of(stub.url), first_key.private, "RS256")
    bearer(corp, token).ok("GET", ASK)
    bearer(corp, first_key.sign(claims_of(stub.url))).fails(401, "GET", ASK)
    stub.keys = [nameless, rsa_key("other").public_jwk]
    clock.now += keys.FRESH + 1
    again = jwt.encode(claims_of(stub.url, jti="2"), first_key.private, "RS256")
    bearer(corp, again).fails(401, "GET", ASK)


def test_issuers_are_kept_apart(
    trusting: Trusting, stub: StubIssuer, provider: Provider, first_key: SigningKey
) -> None:
    """An issuer that is trusted, too, may not speak for another's users."""
    own = rsa_key("own")
    stub.keys = [own.public_jwk]
    corp = trusting(corp=trust(provider.issuer), stub=trust(stub.url, administrators=None))
    bearer(corp, own.sign(claims_of(provider.issuer))).fails(401, "GET", ASK)
    bearer(corp, provider.token("subject-of-alice")).ok("GET", ASK)
    same = claims_of(stub.url, sub="subject-of-alice", preferred_username="alice")
    told = bearer(corp, own.sign(same)).fails(401, "GET", ASK)["detail"]
    assert "belongs to an account" in told
    lesser = claims_of(stub.url, preferred_username="eve", groups=["admins", "corp.team"])
    assert not bearer(corp, own.sign(lesser)).ok("GET", ASK)["administrator"]


def test_a_signature_is_checked_once(
    fooled: Control, stub: StubIssuer, first_key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = bearer(fooled, first_key.sign(claims_of(stub.url)))
    alice.ok("GET", ASK)
    monkeypatch.setattr("klarity_storage.server.oidc.issuers.verify", None)
    alice.ok("GET", ASK)
