"""A server that shows front ends, and bundles to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

import klarity_storage as ks
from server_fixture import RunningServer, start_server
from wire import Heard, Wire

SETTINGS = """
[buckets.site]
strategy = "web"

[buckets.closed]
strategy = "web"
public = false

[buckets.trials]
strategy = "scratch"
days = 1

[web]
releases = 3

[web.hosts]
"one.localhost" = "hosted/one"
"two.localhost" = "hosted/two"
"three.localhost" = "hosted/three"
"""

PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>{version}</title>
<link rel="stylesheet" href="./assets/style.css">
<link rel="deployment" href="/deployment.json">
<script type="module" src="./assets/index.js"></script>
</head><body><p id="app"></p><!-- <script src="assets/index.js"> --></body></html>
"""
INDEX = """
document.querySelector("#app").textContent = "{version}";
window.later = () => import("./later.js").then((module) => module.default);
// {padding}
"""
LATER = 'export default "later of {version}";\n'


def bundle(version: str, **more: str) -> dict[str, bytes]:
    """The files of a front end as bundlers write it, without hashes in their names."""
    files = {
        "index.html": PAGE,
        "assets/index.js": INDEX,
        "assets/later.js": LATER,
        "assets/style.css": "p {{ color: rebeccapurple }}\n",
        "logo.png": "\x89PNG",
    } | more
    padding = "the same again " * 200
    return {
        path: text.format(version=version, padding=padding).encode("latin-1")
        for path, text in files.items()
    }


@dataclass(frozen=True)
class Front:
    """A front end of its own, in a public space of a server."""

    server: RunningServer
    storage: ks.Storage
    folder: Path
    space: str
    app: str
    """``space/name``."""

    def publish(self, version: str, **more: str) -> str:
        """Publish a version, and return its hash."""
        root = self.folder / uuid4().hex
        for path, data in bundle(version, **more).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return self.storage.publish_web(self.app, root, message=version).hash

    def deploy(self, deployment: str, version: str, **more: str) -> str:
        """Publish a version and deploy it; return its hash."""
        published = self.publish(version, **more)
        self.storage.deploy_web(deployment, f"{self.app}@{published}")
        return published

    def at(self, deployment: str) -> Callable[..., Heard]:
        """Ask below a deployment: ``at("prod")("assets/x.js", accept="*/*")``."""
        wire = Wire(self.server.address)
        return lambda path="", *args, **headers: wire(
            f"/web/{self.space}/{deployment}/{path}", *args, **headers
        )


@pytest.fixture(scope="session")
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """With a public bucket, and host names of the space ``hosted``; shared by a worker's tests."""
    data = tmp_path_factory.mktemp("web") / "data"
    data.mkdir()
    (data / "klarity.toml").write_text(SETTINGS)
    process, address, token = start_server(data)
    try:
        with ks.connect(address, token=token) as admin:
            admin.create_space("hosted", bucket="site")
            yield RunningServer(process, data, address, admin, token)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def front(web_server: RunningServer, space: str, tmp_path: Path) -> Iterator[Front]:
    """As the owner of a space of its own."""
    web_server.admin.create_space(space, bucket="site")
    with web_server.user(("owner", space)) as storage:
        yield Front(web_server, storage, tmp_path / "bundles", space, f"{space}/kd-front")


@pytest.fixture
def hosted(web_server: RunningServer, tmp_path: Path) -> Front:
    """As an administrator, in the space whose deployments have host names."""
    app = f"hosted/a{uuid4().hex[:8]}"
    return Front(web_server, web_server.admin, tmp_path / "bundles", "hosted", app)
