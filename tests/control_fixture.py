"""A control plane for tests: the real application and database, over any engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import ASGIApp
from obstore.store import MemoryStore, ObjectStore, S3Store

from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.app import answer_by, describe_app
from klarity_storage.server.audit.sink import AuditQuery
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.engines.base import Engine
from klarity_storage.server.services import Services, open_services
from klarity_storage.server.settings.sections import DatabaseSettings, Settings
from klarity_storage.versions.gc import Upload
from migrated import make_migrated


class NoUploads:
    """A bucket in which no multipart upload is under way."""

    def under(self, prefix: str) -> list[Upload]:
        return []

    def size(self, upload: Upload) -> int:
        raise AssertionError

    def abort(self, upload: Upload) -> None:
        raise AssertionError


class MemoryEngine:
    """Enough of an engine for what never reaches S3."""

    stable_etags = True
    restarts = 0

    def __init__(self) -> None:
        self.store: ObjectStore = MemoryStore()
        self.uploads = NoUploads()
        self.fault: str | None = None
        self.credentials = S3Credentials(
            endpoint="http://127.0.0.1:1",
            region="none",
            bucket="memory",
            access_key_id="none",
            secret_access_key="none",
        )

    def assume(self, policy: dict[str, Any], session: str, duration: int) -> S3Credentials:
        raise AssertionError(f"take the real engine: {policy}, {session}, {duration}")

    def check(self) -> str | None:
        return self.fault


@dataclass(frozen=True)
class Api:
    """The API as one caller sees it."""

    http: TestClient[Litestar]
    token: str | None

    def __call__(self, method: str, path: str, body: object = None, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            more["json"] = body
        return self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def ok(self, method: str, path: str, body: object = None) -> Any:
        """The answer's body, where the answer is a success."""
        answer = self(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def fails(self, status: int, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The problem, where the answer is a failure of that status."""
        answer = self(method, path, body)
        assert answer.status_code == status, answer.text
        problem: dict[str, Any] = answer.json()
        assert problem["status"] == status
        return problem


@dataclass(frozen=True)
class Control:
    """A running control plane with its first administrator."""

    services: Services
    http: TestClient[Litestar]
    data: Path
    admin: Api

    @property
    def stranger(self) -> Api:
        return Api(self.http, None)

    def user(self, name: str, *, administrator: bool = False) -> Api:
        """Make a user, and call as that user."""
        self.admin.ok("POST", "/v1/users", {"name": name, "administrator": administrator})
        return Api(self.http, self.token(name))

    def token(self, user: str) -> str:
        secret: str = self.admin.ok("POST", "/v1/tokens", {"user": user})["secret"]
        return secret

    def space(self, key: str) -> str:
        self.admin.ok("POST", "/v1/spaces", {"key": key})
        return key

    def grant(self, principal: str, role: str, pattern: str) -> str:
        body = {"principal": principal, "role": role, "pattern": pattern}
        grant: str = self.admin.ok("POST", "/v1/grants", body)["id"]
        return grant

    def audit(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """The audit lines, oldest first; of one request where it is named."""
        page = self.services.audit.read(AuditQuery(oldest_first=True), limit=100_000)
        lines: list[dict[str, Any]] = msgspec.to_builtins(page.items)
        return [line for line in lines if request_id in (None, line["request_id"])]


def open_store(api: Api, scope: str, **more: object) -> S3Store:
    """The bucket, as the temporary keys for a scope open it."""
    answer = api.ok("POST", "/v1/credentials", {"scope": scope, **more})
    keys = msgspec.convert(answer, S3Credentials)
    return S3Store(
        keys.bucket,
        endpoint=keys.endpoint,
        region=keys.region,
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        session_token=keys.session_token,
        client_options={"allow_http": True},
    )


_idle: list[tuple[Litestar, ASGIApp]] = []


@contextmanager
def answering(services: Services) -> Iterator[Litestar]:
    """An application that answers by these services, and by no other's meanwhile.

    Its routes know nothing of who was answered before, and to make them takes a quarter of a
    second: they are used again, unless a test went wrong.
    """
    if _idle:
        app, handler = _idle.pop()
    else:
        app = describe_app()
        handler = app.asgi_handler
    yield answer_by(services, app)
    app.asgi_handler = handler
    app.state.clear()
    _idle.append((app, handler))


@contextmanager
def running_control(
    data: Path, engine: Engine | list[Bucket], database_url: str | None = None
) -> Iterator[Control]:
    """A control plane in a data directory, over an engine or buckets that are there already."""
    data.mkdir(exist_ok=True)
    make_migrated(data, database_url)
    buckets = engine if isinstance(engine, list) else [Bucket("main", engine)]
    database = DatabaseSettings(url=database_url, connections=8)
    services = open_services(Settings(data=data, database=database), buckets)
    try:
        secret = first_token(services)
        with (
            answering(services) as app,
            TestClient(app, raise_server_exceptions=False) as http,
        ):
            yield Control(services, http, data, Api(http, secret))
    finally:
        services.close()


@pytest.fixture
def memory_engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def control(tmp_path: Path, memory_engine: MemoryEngine) -> Iterator[Control]:
    with running_control(tmp_path, memory_engine) as running:
        yield running
