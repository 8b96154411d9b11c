from __future__ import annotations

import logging

import pytest
from obstore.store import MemoryStore
from sqlalchemy import Connection, event

from control_fixture import Control, MemoryEngine
from klarity_storage.protocol.problem import CONTENT_TYPE
from klarity_storage.server.logs.lines import TextLines
from klarity_storage.server.settings.sections import LimitsSettings

MAX_BODY = LimitsSettings().body_bytes


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it has no body"),
        (b"{", "Input data was truncated"),
        (b"{]", "JSON is malformed"),
        (b"\xff\xfe", "JSON is malformed"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `key`"),
        (b'{"key": 7}', "key: Expected `str`, got `int`"),
        (b'{"key": "vision", "colour": 1}', "unknown field `colour`"),
        (b'{"key": "vision", "description": null}', "description: Expected `str`, got `null`"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_by_field(
    control: Control, content: bytes, told: str
) -> None:
    answer = control.admin("POST", "/v1/spaces", content=content)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "invalid_input")
    assert told in problem["detail"]
    assert answer.headers["Content-Type"] == CONTENT_TYPE


def test_a_body_has_a_limit(control: Control) -> None:
    answer = control.admin("POST", "/v1/spaces", content=b" " * (MAX_BODY + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    chunks = iter([b" " * 65_536] * (MAX_BODY // 65_536 + 1))
    answer = control.admin("POST", "/v1/spaces", content=chunks)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_address_that_is_not_there(control: Control) -> None:
    for path in ("/", "/v2/spaces", "/v1/spaces/a/b/c/d/e/f", "/schema/swagger", "/schema/x.json"):
        assert control.admin.fails(404, "GET", path)["code"] == "not_found"


def test_a_method_that_an_address_does_not_take(control: Control) -> None:
    answer = control.admin("PATCH", "/v1/spaces")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_a_defect_of_ours_is_logged_with_its_id_and_not_shown(
    control: Control,
    memory_engine: MemoryEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> str:
        raise RuntimeError("the inside of the machine")

    monkeypatch.setattr(memory_engine, "check", fail)
    caplog.handler.setFormatter(TextLines())
    with caplog.at_level(logging.ERROR, "klarity_storage"):
        answer = control.stranger("GET", "/readyz", headers={"X-Request-Id": "find-me-again"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert "inside" not in answer.text
    [record] = caplog.records
    assert "[find-me-again]" in caplog.text
    assert record.exc_info is not None
    assert "the inside of the machine" in str(record.exc_info[1])


def test_a_part_that_does_not_answer_is_503(
    control: Control, memory_engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.space("vision")

    class Down(MemoryStore):
        def list_with_delimiter(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise OSError("connection refused")

    monkeypatch.setattr(memory_engine, "store", Down())
    problem = control.admin.fails(503, "GET", "/v1/spaces/vision/datasets")
    assert problem["code"] == "unavailable"


def test_readiness_names_the_part_that_is_not(
    control: Control, memory_engine: MemoryEngine
) -> None:
    assert control.stranger("GET", "/readyz").json() == {
        "ready": True,
        "parts": {"database": "ok", "engine": "ok"},
    }
    memory_engine.fault = "The engine does not answer."
    answer = control.stranger("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "parts": {"database": "ok", "engine": "The engine does not answer."},
    }
    assert control.stranger("GET", "/healthz").text == "ok\n"


@pytest.mark.parametrize(
    ("pragma", "status", "code"),
    [("query_only = ON", 507, "storage_full"), ("max_page_count = 1", 507, "storage_full")],
)
def test_a_disk_that_takes_nothing_refuses_changes_and_lets_reading_go_on(
    control: Control, pragma: str, status: int, code: str
) -> None:
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {pragma}")

    control.space("vision")
    event.listen(control.services.database._engine, "begin", limit)
    body = {"key": "audio", "description": "x" * 1000}
    answers = [control.admin("POST", "/v1/spaces", body | {"key": f"s{n}"}) for n in range(60)]
    refused = [answer for answer in answers if not answer.is_success]
    assert refused
    assert {(a.status_code, a.json()["code"]) for a in refused} == {(status, code)}
    assert control.admin.ok("GET", "/v1/spaces/vision")["key"] == "vision"


def test_a_database_that_is_damaged_is_503(control: Control) -> None:
    control.services.database.close()
    for file in control.data.glob("klarity.db-*"):
        file.unlink()
    (control.data / "klarity.db").write_bytes(b"\xff" * 8192)
    problem = control.admin.fails(503, "GET", "/v1/spaces")
    assert problem["code"] == "unavailable"
    assert "backup" in problem["hint"]
    assert control.stranger("GET", "/readyz").status_code == 503
