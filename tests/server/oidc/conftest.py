"""A control plane that trusts the real provider, and a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from litestar.testing import TestClient

from control_fixture import Api, Control, MemoryEngine, answering
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.oidc.issuers import Issuers
from klarity_storage.server.services import open_services
from klarity_storage.server.settings.sections import LimitsSettings, OidcSettings, Settings
from migrated import make_migrated
from oidc_fixture import AUDIENCE, CLIENT, Provider
from server.oidc.stub_issuer import StubIssuer, running_stub


class Clock:
    """Seconds that go forward when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trust(issuer: str, **more: object) -> OidcSettings:
    """The settings of an issuer."""
    wanted = {"administrators": "admins", "client_id": CLIENT} | more
    return OidcSettings(issuer=issuer, audience=AUDIENCE, **wanted)  # type: ignore[arg-type]


UNLIMITED = LimitsSettings(guesses=0)
"""Attacks come from one address here, and each is to be answered for itself."""


class Trusting:
    """Starts control planes that trust some issuers."""

    def __init__(self, data: Path, engine: MemoryEngine, clock: Clock) -> None:
        make_migrated(data, None)
        self.services = open_services(
            Settings(data=data, limits=UNLIMITED), [Bucket("main", engine)]
        )
        self.data, self.clock = data, clock
        self.secret = first_token(self.services)
        self.open = ExitStack()

    def __call__(self, **issuers: OidcSettings) -> Control:
        """A control plane that knows nothing yet of these issuers' keys."""
        known = Issuers(issuers, self.clock)
        services = replace(self.services, issuers=known)
        app = self.open.enter_context(answering(services))
        http = self.open.enter_context(TestClient(app, raise_server_exceptions=False))
        return Control(services, http, self.data, Api(http, self.secret))


@contextmanager
def trusting_in(data: Path, clock: Clock) -> Iterator[Trusting]:
    running = Trusting(data, MemoryEngine(), clock)
    try:
        with running.open:
            yield running
    finally:
        running.services.close()


@pytest.fixture
def trusting(tmp_path: Path, clock: Clock) -> Iterator[Trusting]:
    with trusting_in(tmp_path, clock) as running:
        yield running


@pytest.fixture
def corp(trusting: Trusting, provider: Provider) -> Control:
    """A control plane that trusts the provider, as `corp`."""
    return trusting(corp=trust(provider.issuer))


@pytest.fixture
def stub() -> Iterator[StubIssuer]:
    """An issuer that does what a test tells it."""
    with running_stub() as running:
        yield running


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Control]:
    """A control plane that trusts the provider, for all tests of a file: nobody gets in."""
    with trusting_in(tmp_path_factory.mktemp("fortress"), Clock()) as running:
        yield running(corp=trust(provider.issuer))
