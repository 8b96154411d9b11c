from __future__ import annotations

import re

import pytest

from control_fixture import Control


@pytest.mark.parametrize("path", ["/healthz", "/v1/whoami", "/nowhere", "/schema", "/v1/server"])
def test_every_answer_is_stamped(control: Control, path: str) -> None:
    first, second = control.stranger("GET", path), control.stranger("GET", path)
    assert re.fullmatch(r"[0-9a-f]{16}", first.headers["X-Request-Id"])
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Cache-Control"] == "no-store"


def test_a_sane_id_is_the_callers_own(control: Control) -> None:
    answer = control.admin("GET", "/v1/spaces/none", headers={"X-Request-Id": "build-42.step_3"})
    assert answer.headers["X-Request-Id"] == "build-42.step_3"
    assert answer.json()["request_id"] == "build-42.step_3"
    assert control.audit("build-42.step_3")[0]["target"] == "none"


@pytest.mark.parametrize("given", ["short", "x" * 65, "two words here", 'quote"d-id', "a;b;c;d;e"])
def test_any_other_is_replaced(control: Control, given: str) -> None:
    answer = control.stranger("GET", "/healthz", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])
