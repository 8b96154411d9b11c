"""Every route of the application, walked: none may be forgotten."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from control_fixture import Api, Control
from klarity_storage.protocol.problem import CONTENT_TYPE
from klarity_storage.server.app import describe_app

CONTRACT = Path(__file__).parents[2] / "contract"
CODES = {e["code"]: e for e in json.loads((CONTRACT / "errors.json").read_text())}
PUBLIC = {"/healthz", "/readyz", "/v1/server", "/schema", "/schema/openapi.json"}
HASH = "0" * 64

BODIES: dict[str, Any] = {
    "create_space": {"key": "vision"},
    "start_move": {"bucket": "main"},
    "set_quota": {"bytes": 1_000_000},
    "create_user": {"name": "carol"},
    "create_service": {"name": "trainer"},
    "create_group": {"name": "annotators"},
    "create_token": {"user": "carol"},
    "create_grant": {"principal": "user:bob", "role": "reader", "pattern": "vision"},
    "issue_credentials": {"scope": "vision/datasets/cats"},
    "commit_version": {
        "version": HASH,
        "manifest": f"manifest-{HASH}.parquet",
        "write_id": "w",
    },
    "set_tag": {"version": "latest"},
    "collect_garbage": {"dry_run": True},
    "delete_binaries": {"rows": ["812"]},
    "query_table": {"columns": ["id"], "limit": 1},
    "deploy_front_end": {"app": "vision/artefacts/kd-front"},
    "roll_back": {"to": "3f9a"},
    "run_sql": {"query": "select id from vision.runs"},
}
"""A body that can be read, for every operation that takes one."""

VALUES = {
    "space": "vision",
    "kind": "datasets",
    "name": "cats",
    "table": "runs",
    "selector": "latest",
    "version": HASH,
    "tag": "prod",
    "deployment": "prod",
    "user": "admin",
    "service": "trainer",
    "group": "annotators",
    "member": "carol",
    "token_id": "token_0000000000000000",
    "grant_id": "grant_0000000000000000",
    "path": "train/0001.png",
    "row": "812",
}

QUERIES = {
    "check_right": "?scope=vision/datasets/cats",
    "explain_rights": "?principal=user:admin&target=vision/datasets/cats",
    "list_holders": "?target=vision/datasets/cats",
    "list_binaries": "?row=1",
}
"""What operations cannot do without in their query."""


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    operation: str

    @property
    def path(self) -> str:
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: VALUES[m[1]], self.template)
        return path + QUERIES.get(self.operation, "")

    @property
    def body(self) -> Any:
        return BODIES.get(self.operation)

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def _routes() -> list[Route]:
    found = [
        Route(str(method), route.path, handler.handler_name)
        for route in describe_app().routes
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items()
        if method != "OPTIONS" and "{path:str}" not in route.path
    ]
    return sorted(found, key=lambda route: (route.template, route.method))


ROUTES = _routes()
PAGES = [route for route in ROUTES if route.template.startswith("/web/")]
"""What browsers load without a token: tests/server/web tries them."""
GUARDED = [route for route in ROUTES if route.template not in PUBLIC and route not in PAGES]


def is_problem(answer: Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    if answer.request.method == "HEAD":
        return
    problem = answer.json()
    assert problem["status"] == status == CODES[problem["code"]]["status"]
    assert problem["title"] == CODES[problem["code"]]["title"]
    assert problem["type"] == f"urn:klarity:error:{problem['code']}"
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == answer.headers["X-Request-Id"]


def test_the_walk_is_whole() -> None:
    assert len(GUARDED) >= 24
    assert {r.operation for r in GUARDED if r.method in {"POST", "PUT"}} - set(BODIES) == {
        "add_member",
        "disable_service",
        "disable_user",
    }
    documented = json.loads((CONTRACT / "openapi.json").read_text())["paths"]
    known = {
        (method.upper(), path): operation["operationId"]
        for path, item in documented.items()
        for method, operation in item.items()
    }
    walked = {
        (r.method, re.sub(r":\w+", "", r.template)): r.operation
        for r in ROUTES
        if not r.template.startswith("/schema")
        and r not in PAGES
        and r.method != "HEAD"  # as GET, without a body
    }
    assert walked == known


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_without_a_token_there_is_nothing(control: Control, route: Route) -> None:
    answer = control.stranger(route.method, route.path, route.body)
    is_problem(answer, 401)
    assert "WWW-Authenticate" in answer.headers
    [line] = control.audit()
    assert (line["request_id"], line["operation"]) == (
        answer.headers["X-Request-Id"],
        route.operation,
    )
    assert (line["principal"], line["allowed"]) == ("anyone", False)
    if route.template.startswith("/files/"):  # what is public is decided about, as anything else
        assert line["action"] == "read"
        return
    assert line["action"] == "authenticate"
    assert "holds no token" in line["reason"]


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_a_stranger_sees_nothing_and_every_decision_is_recorded(
    control: Control, route: Route
) -> None:
    control.space("vision")
    stranger = control.user("bob")
    answer = stranger(route.method, route.path, route.body)
    if not answer.is_success:
        assert answer.status_code in {403, 404}
        is_problem(answer, answer.status_code)
    else:
        assert route.operation in {
            "get_identity",
            "list_spaces",
            "list_users",
            "list_services",
            "list_groups",
            "list_tokens",
            "list_grants",
            "list_events",
        }
        assert "vision" not in answer.text
        assert "admin" not in re.sub(r'"administrator"', "", answer.text)
    lines = control.audit(answer.headers["X-Request-Id"])
    assert lines, f"{route} leaves no audit line"
    assert {line["operation"] for line in lines} == {route.operation}
    assert {line["principal"] for line in lines} == {"user:bob"}
    assert all(line["allowed"] for line in lines) is answer.is_success


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_an_administrators_decisions_are_recorded_too(control: Control, route: Route) -> None:
    answer = control.admin(route.method, route.path, route.body)
    lines = control.audit(answer.headers["X-Request-Id"])
    assert lines, f"{route} leaves no audit line"
    if not answer.is_success:
        is_problem(answer, answer.status_code)


@pytest.mark.parametrize("route", [r for r in GUARDED if r.body is not None], ids=str)
def test_garbage_is_refused(control: Control, route: Route) -> None:
    for garbage in (b"", b"{", b"\xff", b"[1]", b'"x"', b'{"nobody": "knows"}', b"7"):
        is_problem(control.admin(route.method, route.path, content=garbage), 400)


def test_a_method_that_is_not_taken(control: Control) -> None:
    for route in ROUTES:
        is_problem(control.admin("PATCH", route.path), 405)


@pytest.mark.parametrize("route", [r for r in GUARDED if "{" in r.template], ids=str)
def test_a_value_that_is_no_name_is_refused(control: Control, route: Route) -> None:
    control.space("vision")
    for field in re.findall(r"\{(\w+):", route.template):
        for value in ("UP", "..%2Fx", "a%00b", "%F0%9F%90%88", "x" * 200, "-x", "*"):
            path = route.template
            for other, good in VALUES.items():
                path = path.replace(f"{{{other}:str}}", value if other == field else good)
            answer = control.admin(route.method, path, route.body)
            assert answer.status_code in {400, 404}, (path, answer.text)
            is_problem(answer, answer.status_code)


def test_a_caller_of_nothing_is_no_error(control: Control) -> None:
    nobody = Api(control.http, None)
    for path in sorted(PUBLIC):
        assert nobody("GET", path).status_code == 200, path
