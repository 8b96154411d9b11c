"""What is sent to break in: other lines in a header, broken bodies, guesses, and a clock."""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import pytest

from control_fixture import Api, Control
from klarity_storage.server.catalog import tokens


@pytest.fixture
def alice(control: Control) -> Api:
    """Who owns vision, beside which there is hidden."""
    control.space("vision")
    control.space("hidden")
    alice = control.user("alice")
    control.grant("user:alice", "owner", "vision")
    return alice


LINES = ["a\r\nX-Evil: yes", "a\nX-Evil: yes", "a\r\n\r\n<html>", "a\x00b", "a\x1b[2Jb", "\u2028x"]


@pytest.mark.parametrize("text", LINES)
def test_what_a_caller_writes_is_no_line_of_a_header(control: Control, text: str) -> None:
    answers = [
        control.admin("POST", "/v1/spaces", {"key": "lines", "description": text}),
        control.admin("GET", "/v1/spaces"),
        control.admin("POST", "/v1/users", {"name": "lines", "display_name": text}),
        control.admin("GET", "/v1/users/lines"),
        control.admin("POST", "/v1/tokens", {"label": text}),
        control.admin("GET", "/v1/tokens", params={"user": text}),
        control.admin("POST", "/v1/sql", {"query": f"select '{text}'"}),
        control.admin("GET", "/v1/grants", params={"principal": text}),
        control.admin("POST", "/v1/credentials", {"scope": text}),
    ]
    for answer in answers:
        assert answer.status_code < 500, answer.text
        assert "x-evil" not in {name.lower() for name in answer.headers}
        assert not any("\n" in value or "\r" in value for value in answer.headers.values())
        # in JSON a control character is escaped, so no terminal is steered by what is shown raw
        if "json" in answer.headers["Content-Type"]:
            assert not any(byte < 32 for byte in answer.content)
    lines = (control.data / "audit").glob("*.jsonl")
    for line in (line for file in lines for line in file.read_text().splitlines()):
        assert line.isascii()
        json.loads(line)


BODIES: dict[str, bytes] = {
    "lone surrogate": b'{"key": "\\ud800"}',
    "lone surrogate in text": b'{"key": "lone", "description": "\\udfff\\ud800"}',
    "number beyond all": b'{"key": ' + b"9" * 5000 + b"}",
    "exponent": b'{"key": 1e999999}',
    "NaN": b'{"key": NaN}',
    "twice": b'{"key": "one", "key": "hidden/.."}',
    "comment": b'{"key": "x" /* y */}',
    "BOM": b'\xef\xbb\xbf{"key": "bom"}',
    "UTF-16": '{"key": "wide"}'.encode("utf-16"),
    "deep lists": b'{"key": ' + b"[" * 100_000,
    "deep maps": b'{"a":' * 100_000,
    "invalid UTF-8": b'{"key": "\xff\xfe"}',
    "prototype": b'{"__proto__": {"administrator": true}, "key": "proto"}',
    "many fields": b"{" + b",".join(b'"f%d":1' % n for n in range(50_000)) + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_made_to_break_readers(control: Control, body: bytes) -> None:
    answer = control.admin("POST", "/v1/spaces", content=body)
    assert answer.status_code in {201, 400}, answer.text
    for item in control.admin.ok("GET", "/v1/spaces")["items"]:
        assert item["key"] in {"one", "lone", "bom"}, item


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data"],
)
def test_a_body_of_another_type_is_no_json_of_another_site(
    control: Control, media_type: str
) -> None:
    """A browser sends these to any site without asking; without a token it gets nothing anyway."""
    headers = {"Content-Type": media_type}
    answer = control.stranger("POST", "/v1/spaces", content=b'{"key": "x"}', headers=headers)
    assert answer.status_code == 401
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        "Basic YWRtaW46YWRtaW4=",
        "Bearer",
        "Bearer ",
        "Bearer null",
        "Bearer ks_",
        "Bearer ks_" + "a" * 42,
        "Bearer ks_" + "a" * 100_000,
        "Bearer ks_%00" + "a" * 40,
        "Bearer ' OR 1=1 --",
        "Bearer *",
        "bearer  \t x",
    ],
)
def test_what_is_no_token_opens_nothing(control: Control, header: str) -> None:
    answer = control.stranger("GET", "/v1/whoami", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


def test_neighbours_of_a_good_token_open_nothing(control: Control) -> None:
    token = control.token("admin")
    control.services.guesses._most = 0
    neighbours = [
        *(token[:at] + "ab"[token[at] == "a"] + token[at + 1 :] for at in range(3, len(token))),
        *(token.upper(), token.lower(), token + "=", token[:-1], f"{token} {token}"),
        *(token.replace("ks_", "KS_"), token[3:], token[::-1]),
    ]
    for neighbour in neighbours:
        assert neighbour != token
        assert Api(control.http, neighbour)("GET", "/v1/whoami").status_code == 401


def test_guessing_at_speed_gets_nowhere(control: Control) -> None:
    """A thousand guesses are looked up sixty times, and the owner notices nothing."""
    asked = 0
    real = tokens.authenticate

    def authenticate(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return real(*args)

    alice = control.user("alice")
    alice.ok("GET", "/v1/whoami")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "authenticate", authenticate)
        statuses = [
            Api(control.http, f"ks_{number:043d}")("GET", "/v1/whoami").status_code
            for number in range(1000)
        ]
    assert set(statuses) == {401, 429}
    assert statuses[:60] == [401] * 60
    assert statuses.count(401) == asked <= 60 + 30  # what the minute gives back meanwhile
    alice.ok("GET", "/v1/whoami")


def test_unknown_and_hidden_take_as_long(control: Control, alice: Api) -> None:
    """The same answer, by the same steps: who measures learns nothing.

    Medians of interleaved requests, and a bound that a look-up more would break: 30 % or 1 ms.
    """
    paths = {
        "hidden": "/v1/spaces/hidden/datasets/cats/versions",
        "unknown": "/v1/spaces/nobody/datasets/cats/versions",
    }
    seconds: dict[str, list[float]] = {which: [] for which in paths}
    for which in ("hidden", "unknown") * 150:
        started = time.perf_counter()
        assert alice("GET", paths[which]).status_code == 404
        seconds[which].append(time.perf_counter() - started)
    hidden, unknown = (statistics.median(seconds[which]) for which in paths)
    assert abs(hidden - unknown) < max(0.3 * min(hidden, unknown), 0.001), (hidden, unknown)


def test_hidden_and_unknown_are_told_alike(control: Control, alice: Api) -> None:
    for path in ("", "/datasets", "/tables", "/datasets/cats/versions", "/tables/runs"):
        told = [alice("GET", f"/v1/spaces/{space}{path}").json() for space in ("hidden", "nobody")]
        for problem, space in zip(told, ("hidden", "nobody"), strict=True):
            del problem["request_id"]
            problem.update(json.loads(json.dumps(problem).replace(space, "SPACE")))
        assert told[0] == told[1]
