"""A server that shows front ends at hosts alone, and keeps little in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from conftest import PlantTree
from control_fixture import Api, MemoryEngine
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.app import create_app
from klarity_storage.server.bootstrap import first_token
from klarity_storage.server.buckets.bucket import Bucket
from klarity_storage.server.services import Services, open_services
from klarity_storage.server.settings.sections import Settings, WebSettings

WEB = WebSettings(hosts={"kd.example.org": "site/prod"}, paths=False, memory=1 << 20)


@pytest.fixture
def services(tmp_path: Path, plant: PlantTree) -> Iterator[Services]:
    main, site = MemoryEngine(), MemoryEngine()
    buckets = [Bucket("main", main), Bucket("site", site, Strategy.WEB, public=True)]
    running = open_services(Settings(data=tmp_path, web=WEB), buckets)
    tree = {f"{n}.js": bytes([65 + n]) * 300_000 for n in range(9)} | {"index.html": b"<p>"}
    try:
        Storage(LocalBackend(site.store), "memory").publish_web("site/kd", plant(tree))
        yield running
    finally:
        running.close()


@pytest.fixture
def http(services: Services) -> Iterator[TestClient[Litestar]]:
    secret = first_token(services)
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        api = Api(client, secret)
        api.ok("POST", "/v1/spaces", {"key": "site", "bucket": "site"})
        shown = api.ok(
            "PUT", "/v1/spaces/site/deployments/prod", {"app": "site/artefacts/kd@latest"}
        )
        assert (shown["hosts"], shown["path"]) == (["kd.example.org"], None)
        yield client


def test_nothing_is_shown_by_path(http: TestClient[Litestar]) -> None:
    assert http.get("/", headers={"Host": "kd.example.org"}).content == b"<p>"
    for path in ("/web/site/prod/", "/web/site/prod", "/web/site/prod/0.js"):
        assert http.get(path).status_code == 404
        assert http.get(path, headers={"Host": "kd.example.org"}).status_code == 404


def test_memory_is_bounded(http: TestClient[Litestar], services: Services) -> None:
    for _ in range(2):
        for number in range(9):
            answer = http.get(
                f"/{number}.js", headers={"Host": "kd.example.org", "Accept-Encoding": "identity"}
            )
            assert answer.content == bytes([65 + number]) * 300_000
    assert services.web.bodies._used <= 1 << 20
    assert 0 < len(services.web.bodies._held) <= 3
