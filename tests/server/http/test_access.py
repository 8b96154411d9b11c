from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from control_fixture import Control
from klarity_storage.errors import UnavailableError
from klarity_storage.server.catalog import identity
from klarity_storage.server.logs.lines import FIELDS, REQUEST


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "klarity_storage")


def noted(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [getattr(r, FIELDS) for r in caplog.records if r.name == "klarity_storage.access"]


def test_a_line_a_request(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    alice = control.user("alice")
    caplog.clear()
    alice("GET", "/v1/spaces/secret-space/datasets?uncommitted=true")
    control.stranger("DELETE", "/v1/tokens/token_x")
    control.stranger("GET", "/healthz")
    control.stranger("GET", "/secret-nowhere")
    control.stranger("PATCH", "/v1/whoami")
    lines = noted(caplog)
    assert [
        (line["method"], line["route"], line["status"], line["principal"]) for line in lines
    ] == [
        ("GET", "/v1/spaces/{space}/{kind}", 404, "user:alice"),
        ("DELETE", "/v1/tokens/{token_id}", 401, "-"),
        ("GET", "/healthz", 200, "-"),
        ("GET", "none", 404, "-"),
        ("PATCH", "none", 405, "-"),
    ]
    assert {line["address"] for line in lines} == {"testclient"}
    assert all(line["milliseconds"] > 0 for line in lines)
    assert "secret" not in caplog.text


def test_below_info_there_is_none(control: Control, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "klarity_storage")
    control.stranger("GET", "/healthz")
    assert noted(caplog) == []


def test_what_is_logged_on_a_thread_knows_its_request(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, set[str | None]] = {}

    def fail(context: Any) -> None:
        heard.setdefault(context.request_id, set()).add(REQUEST.get())
        raise UnavailableError("The engine sleeps.")

    monkeypatch.setattr(identity, "identify", fail)
    numbers = [f"request-{n}" for n in range(20)]

    def ask(number: str) -> int:
        return control.admin("GET", "/v1/whoami", headers={"X-Request-Id": number}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, numbers)) == {503}
    assert heard == {number: {number} for number in numbers}
    assert REQUEST.get() is None


def test_a_failure_is_logged_without_its_path(
    control: Control, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("klarity_storage.server.catalog.versions.list_names", fail)
    control.admin.fails(500, "GET", "/v1/spaces/secret-space/datasets")
    assert "secret" not in caplog.text
    assert "GET /v1/spaces/{space}/{kind}: internal" in caplog.text
    assert "RuntimeError: broken" in caplog.text
