from __future__ import annotations

import json
import logging
import sys

import pytest

from klarity_storage.server.logs.lines import (
    FIELDS,
    REQUEST,
    JsonLines,
    TextLines,
    without_secrets,
)

TOKEN = "ks_" + "aB3-_" * 8 + "xyz"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl_-"


def record(message: str, *values: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("klarity_storage.x", logging.ERROR, "", 0, message, values, None)
    made.__dict__ |= more
    return made


@pytest.mark.parametrize("secret", [TOKEN, JWT, f"Bearer {TOKEN}", f"/v1/{TOKEN}?q={JWT}"])
@pytest.mark.parametrize("lines", [TextLines(), JsonLines()])
def test_a_secret_is_masked_wherever_it_stands(lines: logging.Formatter, secret: str) -> None:
    try:
        raise ValueError(f"failed on {secret}")
    except ValueError:
        caught = sys.exc_info()
    line = lines.format(record("of %s", secret, exc_info=caught, **{FIELDS: {"more": secret}}))
    for part in (TOKEN, JWT, TOKEN[:16], JWT[:16]):
        assert part not in line
    assert "***" in line
    assert "Traceback" in line


def test_names_are_no_secrets() -> None:
    for name in ("ks_cats", "vision/datasets/ks_table", "eyJ", "token_5c0f0f5c", "user:alice"):
        assert without_secrets(name) == name


@pytest.mark.parametrize(
    "name", ["a\nERROR b", "a\r\nb", "a\x1b[2Jb", "a\x85b", "a\u2028b", "\0", "\x7f"]
)
def test_a_name_cannot_break_a_line(name: str) -> None:
    text = TextLines().format(record("name %s", name))
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    line = JsonLines().format(record("name %s", name))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"name {name}"


def test_the_request_stands_in_each_line() -> None:
    token = REQUEST.set("build-42")
    try:
        text, line = (lines.format(record("x")) for lines in (TextLines(), JsonLines()))
    finally:
        REQUEST.reset(token)
    assert text.endswith("ERROR klarity_storage.x [build-42]: x")
    assert json.loads(line)["request"] == "build-42"
    assert TextLines().format(record("x")).endswith("ERROR klarity_storage.x: x")
    assert "request" not in json.loads(JsonLines().format(record("x")))


def test_json_holds_fields_of_its_own() -> None:
    line = json.loads(JsonLines().format(record("x", **{FIELDS: {"status": 200}})))
    assert line["status"] == 200
    assert line["level"] == "error"
    assert line["logger"] == "klarity_storage.x"
    assert line["time"].endswith("+00:00")
