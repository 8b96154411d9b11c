"""Pages of other origins: those of the settings read, others do not, and none of them writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.read import read_settings
from server_fixture import start_server
from wire import Heard, Wire

pytestmark = pytest.mark.real

PAGE = "https://app.example.org"
OTHER = "https://evil.example.org"


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    data = tmp_path_factory.mktemp("origins") / "data"
    data.mkdir()
    (data / "klarity.toml").write_text(f'[files]\norigins = ["{PAGE}"]\n')
    process, address, token = start_server(data)
    try:
        yield Wire(address, token)
    finally:
        process.terminate()
        process.wait(30)


def allowed(heard: Heard) -> dict[str, str]:
    return {k: v for k, v in heard.headers.items() if k.startswith("access-control-")}


PREFLIGHT: dict[str, Any] = {
    "access_control_request_method": "GET",
    "access_control_request_headers": "authorization,range,if-range,if-none-match",
}
FILE = "/files/vision/datasets/cats/latest/a.png"


def test_a_browser_asks_first_without_a_token(wire: Wire) -> None:
    nobody = Wire(wire.address)
    heard = nobody(FILE, "OPTIONS", origin=PAGE, **PREFLIGHT)
    assert heard.status == 204
    assert heard["access-control-allow-origin"] == PAGE
    assert heard["access-control-allow-methods"] == "GET, HEAD"
    assert heard["access-control-max-age"] == "86400"
    sent = {name.strip().lower() for name in heard["access-control-allow-headers"].split(",")}
    assert {"authorization", "range", "if-range", "if-none-match"} <= sent
    assert "access-control-allow-credentials" not in heard.headers
    assert nobody(FILE, origin=PAGE).status == 401


def test_an_answer_may_be_read_by_the_page_whatever_it_says(wire: Wire) -> None:
    for caller, status in ((wire, 404), (Wire(wire.address), 401)):
        heard = caller(FILE, origin=PAGE)
        assert heard.status == status
        assert heard["access-control-allow-origin"] == PAGE
        exposed = heard["access-control-expose-headers"]
        for name in ("ETag", "Content-Range", "Content-Length", "Accept-Ranges", "Repr-Digest"):
            assert name in exposed
        assert heard["vary"] == "Authorization, Origin"


@pytest.mark.parametrize("origin", [OTHER, "null", f"{PAGE}.evil.org", PAGE + ":444", "*", ""])
def test_other_pages_are_told_nothing(wire: Wire, origin: str) -> None:
    assert allowed(wire(FILE, origin=origin)) == {}
    assert allowed(wire(FILE, "OPTIONS", origin=origin, **PREFLIGHT)) == {}


def test_pages_ask_the_api_but_change_nothing(wire: Wire) -> None:
    nobody = Wire(wire.address)
    for path, methods in (
        ("/v1/spaces", "GET, HEAD"),
        ("/v1/grants", "GET, HEAD"),
        ("/v1/sql", "POST"),
        ("/v1/spaces/vision/tables/runs/query", "POST"),
    ):
        heard = nobody(path, "OPTIONS", origin=PAGE, **PREFLIGHT)
        assert heard.status == 204
        assert heard["access-control-allow-methods"] == methods
    heard = wire("/v1/spaces", origin=PAGE)
    assert heard["access-control-allow-origin"] == PAGE
    assert json.loads(heard.body) == {"items": []}
    assert heard["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["*", "null", "app.example.org", "https://app.example.org/", "https://*.example.org"]
)
def test_what_is_no_origin_is_no_setting(tmp_path: Path, origin: str) -> None:
    (tmp_path / "klarity.toml").write_text(f'[files]\norigins = ["{origin}"]\n')
    with pytest.raises(ConfigurationError, match="origin"):
        read_settings(tmp_path)
