"""Front ends in a real Chromium: by path, and by a host name of their own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from browser_fixture import RunInBrowser
from conftest import PlantTree
from nginx_fixture import running_site
from web_fixture import Front, bundle
from wire import Wire

pytestmark = pytest.mark.real


def look_at(browser: RunInBrowser, front: Front, deployment: str, root: str, report: str) -> None:
    """Load a page, switch below it, reload, go deep, miss a script, and roll back."""
    data = [front.storage.get_versions(report)[number].hash for number in (1, 0)]
    one, two = front.publish("one"), front.publish("two")

    def deploy(version: str, pinned: str) -> None:
        reference = f"{front.app}@{version}"
        front.storage.deploy_web(deployment, reference, data=[f"{report}@{pinned}"])

    def roll_back() -> None:
        front.storage.rollback_web(f"{front.space}/{deployment}")

    deploy(one, data[0])
    found = browser(
        "front.js",
        root=root,
        deploy_second=lambda: deploy(two, data[1]),
        roll_back=roll_back,
    )
    assert found["first"]["text"] == found["first"]["title"] == "one"
    assert found["first"]["color"] == "rgb(102, 51, 153)"
    first = {"version": one, "data": {report: data[0]}}
    second = {"version": two, "data": {report: data[1]}}
    assert found["first"]["release"].items() >= first.items()
    assert found["open"]["later"] == "later of one"
    assert found["open"]["pins"] == found["first"]["release"]
    assert found["open"]["now"].items() >= second.items()
    assert found["second"] == {"text": "two", "later": "later of two"}
    assert found["fallback"] == {"status": 200, "text": "two", "later": "later of two"}
    assert found["missing"] == {
        "status": 404,
        "type": "application/problem+json",
        "imported": "refused",
    }
    assert (found["back"]["text"], found["back"]["later"]) == ("one", "later of one")
    assert found["back"]["release"] == found["first"]["release"]
    codings = dict(found["timings"])
    assert codings[f"{urlsplit(root).path}_ks/{one}/assets/index.js"] == "br"
    assert found["failures"] == []


@pytest.fixture
def report(front: Front, plant: PlantTree) -> str:
    """Data in two versions, the newer one first."""
    name = f"{front.space}/artefacts/report"
    for text in (b"1", b"2"):
        front.storage.push(name, plant({"a": text}, text.decode()))
    return name


def test_below_a_path_of_the_server(browser: RunInBrowser, front: Front, report: str) -> None:
    root = f"{front.server.address}/web/{front.space}/prod/"
    look_at(browser, front, "prod", root, report)


def test_at_a_host_of_its_own(
    browser: RunInBrowser, front: Front, hosted: Front, report: str
) -> None:
    port = urlsplit(front.server.address).port
    try:
        look_at(browser, hosted, "one", f"http://one.localhost:{port}/", report)
        wire = Wire(front.server.address)
        for path in (
            "/v1/whoami",
            "/healthz",
            "/files/x/artefacts/y/z",
            f"/web/{front.space}/prod/",
        ):
            answer = wire(path, host="one.localhost", accept="application/json")
            assert answer.status == 404, path  # nothing but the front end is there
            assert b"The front end has no file" in answer.body
        for host in ("ONE.localhost.", f"one.localhost:{port}"):
            assert wire("/deployment.json", host=host).status == 200
        assert wire("/v1/server", host="other.localhost").status == 200
        assert hosted.storage.get_deployment("hosted/one").hosts == ["one.localhost"]
    finally:
        hosted.storage.remove_deployment("hosted/one")


BEHIND = """
[buckets.site]
strategy = "web"

[web.hosts]
"kd.localhost" = "front/prod"
"""


def test_behind_nginx(tmp_path: Path, plant: PlantTree) -> None:
    with running_site(tmp_path, BEHIND) as site, site.admin() as storage:
        storage.create_space("front", bucket="site")
        root = plant(bundle("one"))
        version = storage.publish_web("kd-front", root).hash
        assert storage.deploy_web("prod", "kd-front").hosts == ["kd.localhost"]
        wire = site.wire("")
        by_path, by_host = wire("/web/front/prod/"), wire("/", host="kd.localhost")
        assert (by_path.status, by_host.status) == (200, 200)
        assert f'"/_ks/{version}/assets/index.js"' in by_host.body.decode()
        script = f"/_ks/{version}/assets/index.js"
        found = wire(script, host="kd.localhost", accept_encoding="gzip, br")
        assert found["content-encoding"] == "br"
        assert "Accept-Encoding" in found["vary"]
        assert "immutable" in found["cache-control"]
        again = wire(script, host="kd.localhost", accept_encoding="br", if_none_match=found["etag"])
        assert (again.status, again.body) == (304, b"")
        # what the proxy has cached for the API's address is not at the front end's
        file = f"/files/front/artefacts/kd-front/{version}/assets/index.js"
        assert [wire(file).status for _ in range(3)] == [200, 200, 200]
        assert wire(file, host="kd.localhost").status == 404
        assert wire("/v1/whoami", host="kd.localhost").status == 404
