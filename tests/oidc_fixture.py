"""A real OpenID Connect provider as a child process, and tokens that no provider would make."""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import klarity_storage as ks
from server_fixture import RunningServer, start_server

FOLDER = Path(__file__).with_name("oidc")
AUDIENCE = "https://storage.example.org"
CLIENT = "ks-cli"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "subject-of-alice": {"preferred_username": "alice", "name": "Alice A.", "groups": ["team"]},
    "subject-of-bob": {"preferred_username": "bob", "groups": ["admins", "Not A Name"]},
    "subject-of-carol": {"preferred_username": "carol"},
    "subject-of-dave": {"preferred_username": "Dave Smith"},
    "subject-of-nobody": {},
    "subject-of-admin": {"preferred_username": "admin"},
    "another-alice": {"preferred_username": "alice"},
}


@dataclass(frozen=True)
class SigningKey:
    """A key pair of an issuer."""

    kid: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm: str = "RS256"

    @property
    def jwk(self) -> dict[str, Any]:
        """With its private part, as a provider takes it."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            found = RSAAlgorithm.to_jwk(self.private, as_dict=True)
        else:
            found = ECAlgorithm.to_jwk(self.private, as_dict=True)
        found.pop("key_ops", None)
        return found | {"kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def public_jwk(self) -> dict[str, Any]:
        hidden = {"d", "p", "q", "dp", "dq", "qi"}
        return {name: value for name, value in self.jwk.items() if name not in hidden}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        headers = {"kid": self.kid, "typ": "at+jwt"} | headers
        return jwt.PyJWS().encode(
            json.dumps(claims).encode(), self.private, self.algorithm, headers
        )


def rsa_key(kid: str, bits: int = 2048) -> SigningKey:
    return SigningKey(kid, rsa.generate_private_key(65537, bits))


def claims_of(issuer: str, **more: Any) -> dict[str, Any]:
    """What a good token says of carol; a claim that is None is left out."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": "subject-of-carol",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "preferred_username": "carol",
    } | more
    return {name: value for name, value in claims.items() if value is not None}


@dataclass
class Provider:
    """A provider that runs, and can be started again with other keys."""

    keys: list[SigningKey]
    ttl: int = 300
    device_ttl: int = 600
    issuer: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Run it; the second time on the same port."""
        wanted = {
            "port": int(self.issuer.rpartition(":")[2] or 0),
            "jwks": {"keys": [key.jwk for key in self.keys]},
            "algorithm": self.keys[0].algorithm,
            "client_id": CLIENT,
            "audience": AUDIENCE,
            "ttl": self.ttl,
            "device_ttl": self.device_ttl,
            "accounts": ACCOUNTS,
        }
        self._process = subprocess.Popen(
            ["node", "provider.js"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # warns of what is in memory only
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin as stdin:
            stdin.write(json.dumps(wanted))
        assert select.select([self._process.stdout], [], [], 60)[0], "the provider does not start"
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, "the provider ended"

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def rotate(self, *keys: SigningKey) -> None:
        """Let it sign with the first of these keys, and publish all of them and no other."""
        self.stop()
        self.keys = list(keys)
        self.start()

    def token(self, account: str, ttl: int = 300) -> str:
        """An access token, made by the provider."""
        return str(self._ask("/test/token", account=account, ttl=ttl)["access_token"])

    def approve(self, user_code: str, account: str) -> None:
        """Do what a person does who logs in and says yes."""
        self._ask("/test/device", user_code=user_code, account=account)

    def deny(self, user_code: str) -> None:
        self._ask("/test/device", user_code=user_code)

    def _ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = httpx.post(self.issuer + path, json=body, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def running_provider(
    *keys: SigningKey, ttl: int = 300, device_ttl: int = 600
) -> Iterator[Provider]:
    provider = Provider(list(keys), ttl, device_ttl)
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


@pytest.fixture(scope="session")
def first_key() -> SigningKey:
    return rsa_key("first")


@pytest.fixture(scope="session")
def second_key() -> SigningKey:
    return rsa_key("second")


@pytest.fixture(scope="session")
def provider(first_key: SigningKey) -> Iterator[Provider]:
    """Shared by the tests of a worker, which leave its keys as they are."""
    with running_provider(first_key) as running:
        yield running


@pytest.fixture(scope="module")
def trusting_server(
    tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[RunningServer]:
    """A whole server that trusts the provider, as `corp`, and lets people log in at it."""
    data = tmp_path_factory.mktemp("trusting") / "data"
    data.mkdir()
    (data / "klarity.toml").write_text(
        f'[oidc.corp]\nissuer = "{provider.issuer}"\naudience = "{AUDIENCE}"\n'
        f'client_id = "{CLIENT}"\nresource = "{AUDIENCE}"\nadministrators = "admins"\n'
    )
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as admin:
            yield RunningServer(process, data, address, admin, token)
    finally:
        process.terminate()
        process.wait(30)
