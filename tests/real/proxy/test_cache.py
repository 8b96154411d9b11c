"""What is fetched is fetched once, and stays when the server does not."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from nginx_fixture import Site, running_nginx, running_site
from proxy_versions import LARGE, SLICE, Pushed, pushed

pytestmark = pytest.mark.real

BURST = 200


def fetched(site: Site, version: Pushed, path: str) -> int:
    """How often the server was asked for bytes of a file."""
    about = f"version {version.hash}: {path}"
    return len(site.audit(operation="read_file", about=about, target=version.name))


@pytest.mark.parametrize("size", [SLICE // 2, SLICE + 1])
def test_a_burst_fetches_a_cold_file_once(site: Site, tmp_path: Path, size: int) -> None:
    data = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
    version = pushed(site, tmp_path, f"vision/models/burst{size}", {"weights": data})
    site.wire()(f"/files/{version.name}/{version.hash}/none")  # the connections are warm
    together = Barrier(BURST)

    def ask(_: int) -> bytes:
        together.wait(60)
        heard = site.wire()(f"{version.root}/weights")
        assert heard.status == 200
        return heard.body

    with ThreadPoolExecutor(BURST) as pool:
        answers = list(pool.map(ask, range(BURST)))
    assert all(answer == data for answer in answers)
    assert fetched(site, version, "weights") == -(-len(data) // SLICE)


def test_ranges_come_from_the_cache(site: Site, tmp_path: Path) -> None:
    version = pushed(site, tmp_path, "vision/models/ranges", {"weights": LARGE})
    path = f"{version.root}/weights"
    assert site.wire()(path, range="bytes=10-19").body == LARGE[10:20]
    assert fetched(site, version, "weights") == 1  # the first piece of three
    for start in (0, 1000, SLICE - 10):
        heard = site.wire()(path, range=f"bytes={start}-{start + 9}")
        assert (heard.body, heard["cache-status"]) == (LARGE[start : start + 10], "klarity; hit")
    assert fetched(site, version, "weights") == 1
    assert site.wire()(path).body == LARGE
    assert fetched(site, version, "weights") == 3
    assert site.wire()(path, range="bytes=-7").body == b"the end"
    assert fetched(site, version, "weights") == 3


def test_one_copy_serves_all(site: Site, tmp_path: Path) -> None:
    version = pushed(site, tmp_path, "vision/datasets/shared", {"key": b"shared"})
    for _ in range(3):
        reader = site.wire(site.user(("reader", version.name)))
        assert reader(f"{version.root}/key", origin="https://app.example.org").body == b"shared"
        assert reader(f"{version.root}/key", "HEAD")["content-length"] == "6"
        assert reader(f"{version.root}/key?download=true").body == b"shared"
    assert fetched(site, version, "key") == 1


@pytest.mark.parametrize(
    "path", ["/v1/whoami", "/v1/spaces", "/files/{name}/latest/key", "/files/{root}/", "/schema"]
)
def test_nothing_else_is_cached(site: Site, tmp_path: Path, path: str) -> None:
    version = pushed(site, tmp_path, "vision/datasets/plain", {"key": b"plain"})
    asked = path.format(name=version.name, root=f"{version.name}/{version.hash}")
    for _ in range(2):
        heard = site.wire()(asked)
        assert heard.status in {200, 307}
        assert "cache-status" not in heard.headers


def test_a_tag_moves_at_once(site: Site, tmp_path: Path) -> None:
    first = pushed(site, tmp_path, "vision/datasets/tagged", {"key": b"first"})
    assert (
        site.wire()("/files/vision/datasets/tagged/latest/key")["location"] == f"{first.root}/key"
    )
    second = pushed(site, tmp_path, "vision/datasets/tagged", {"key": b"second"})
    heard = site.wire()("/files/vision/datasets/tagged/latest/key")
    assert (heard.status, heard["location"]) == (307, f"{second.root}/key")
    assert site.wire()(heard["location"]).body == b"second"
    assert site.wire()(f"{first.root}/key").body == b"first"


def test_what_fails_is_not_kept(site: Site, tmp_path: Path) -> None:
    absent = f"/files/vision/datasets/later/{'0' * 64}/key"
    assert site.wire()(absent).status == 404
    version = pushed(site, tmp_path, "vision/datasets/later", {"key": b"now"})
    assert site.wire()(f"{version.root}/key").body == b"now"
    assert site.wire()(f"{version.root}/other").status == 404
    assert "hit" not in site.wire()(f"{version.root}/other")["cache-status"]


def test_it_outlives_the_server_and_nginx(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        with site.admin() as storage:
            storage.create_space("vision")
        version = pushed(site, tmp_path / "trees", "vision/models/net", {"weights": LARGE})
        assert site.wire()(f"{version.root}/weights").body == LARGE
        site.stop()
        away = site.wire()(f"{version.root}/other")
        assert away.status == 503
        assert away["content-type"] == "application/problem+json"
        site.start()
        assert site.wire()(f"{version.root}/weights").body == LARGE
        assert fetched(site, version, "weights") == 3
    site.process = None
    with running_nginx(site.config, site.ports[2]):
        site.start()
        try:
            heard = site.wire()(f"{version.root}/weights")
        finally:
            site.stop()
    assert (heard.body, heard["cache-status"]) == (LARGE, "klarity; hit")
    assert fetched(site, version, "weights") == 3
