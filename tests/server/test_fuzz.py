"""Whatever is sent, the API answers as its own OpenAPI document says, and never with a defect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import text
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from control_fixture import Control, running_control
from klarity_storage.layout import Kind, Name
from klarity_storage.server.engines.seaweed import SeaweedEngine
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table
from klarity_storage.versions.push import Description, push_tree
from pushing_fixture import Pushing

pytestmark = pytest.mark.real

DOCUMENT = json.loads((Path(__file__).parents[2] / "contract" / "openapi.json").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    operation["operationId"]: SCHEMA[path][method.upper()]
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8
THERE = {
    "space": "",
    "kind": "datasets",
    "name": "cats",
    "table": "runs",
    "selector": "latest",
    "tag": "prod",
    "user": "carol",
    "path": "a.txt",
}
"""Names of what is there, so that a request gets to the bottom of what it asks for."""


HASH = "0" * 64
GOOD: dict[str, dict[str, Any]] = {
    "issue_credentials": {"scope": "{space}/datasets/cats"},
    "create_grant": {"principal": "user:carol", "role": "reader", "pattern": "{space}"},
    "create_space": {"key": "{space}"},
    "create_token": {"user": "carol"},
    "create_user": {"name": "carol"},
    "query_table": {"columns": ["id"]},
    "run_sql": {"query": "select * from {space}.runs"},
    "set_tag": {"version": "prod"},
    "delete_binaries": {"rows": ["1"]},
    "commit_version": {
        "version": HASH,
        "manifest": f"manifest-{HASH}.parquet",
        "write_id": "w",
    },
}
"""Bodies that are taken for themselves; each field of them is varied alone."""

LAST = ("delete_binaries", "collect_garbage", "remove_tag", "delete_version", "disable_user")
"""What takes away what others ask for."""


@dataclass(frozen=True)
class Trial:
    """What is sent to an operation: what fits its document or not, with names of what is there."""

    operation: str
    mode: GenerationMode
    there: bool

    @property
    def found(self) -> Any:
        return OPERATIONS[self.operation]

    def good(self, space: str) -> dict[str, Any]:
        text = json.dumps(GOOD.get(self.operation, {})).replace("{space}", space)
        good: dict[str, Any] = json.loads(text)
        return good

    def names(self, space: str = "") -> dict[str, str]:
        there = THERE | {"space": space}
        return {p.name: there[p.name] for p in self.found.path_parameters if p.name in there}

    @property
    def possible(self) -> bool:
        """Whether something is left to vary."""
        if self.there and not self.names() and self.operation not in GOOD:
            return False
        free = len(list(self.found.path_parameters)) > len(self.names()) * self.there
        varied = free or bool(self.found.query or self.found.body)
        return varied or self.mode is GenerationMode.POSITIVE

    def __str__(self) -> str:
        return f"{self.operation}-{self.mode.value}-{'there' if self.there else 'anything'}"


TRIALS = [
    trial
    for operation in sorted(OPERATIONS, key=lambda name: (name in LAST, name))
    for mode in GenerationMode
    for there in (False, True)
    if (trial := Trial(operation, mode, there)).possible
]


@dataclass(frozen=True)
class Fuzzed:
    control: Control
    space: str


@pytest.fixture(scope="module")
def fuzzed(engine: SeaweedEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """A control plane with a space, a user, a version, a tag and a table."""
    space = f"t{uuid4().hex[:12]}"
    with running_control(tmp_path_factory.mktemp("fuzzed") / "data", engine) as control:
        control.services.guesses._most = 0
        control.space(space)
        control.user("carol")
        folder = tmp_path_factory.mktemp("cats")
        (folder / "a.txt").write_bytes(b"meow")
        cats = Name(space, Kind.DATASETS, "cats")
        version = push_tree(Pushing(control.admin), cats, folder, Description("pushed")).version
        control.admin.ok("PUT", f"/v1/spaces/{cats}/tags/prod", {"version": version})
        runs = Name(space, Kind.TABLES, "runs")
        keys = engine.credentials
        location = TableLocation(runs, f"s3://{keys.bucket}/{runs}", keys)
        push_table(lambda: location, [{"id": 1}], by="user:admin")
        yield Fuzzed(control, space)


def ask(
    control: Control, case: schemathesis.Case[Any], body: dict[str, Any] | None = None
) -> httpx.Response:
    """Send what was made up, as an administrator, to whom nothing is closed."""
    sent = case.as_transport_kwargs(base_url=str(control.http.base_url))
    headers = {k: v for k, v in (sent["headers"] or {}).items() if k.lower() != "user-agent"}
    headers["Authorization"] = f"Bearer {control.admin.token}"
    content = {"json": sent["json"]} if "json" in sent else {"content": sent.get("data")}
    if body is not None:
        content = {"json": body}
    return control.http.request(
        sent["method"], sent["url"], params=sent.get("params"), headers=headers, **content
    )


def tried(fuzzed: Fuzzed, trial: Trial, examples: int = EXAMPLES) -> list[int]:
    """The statuses of the answers to some requests, each of which is as the document says."""
    answers: list[int] = []

    names = trial.names(fuzzed.space)
    fixed = names if trial.there else {"path": names["path"]} if "path" in names else None

    # what has a slash in it, schemathesis puts into no path
    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=trial.found.as_strategy(trial.mode, path_parameters=fixed), path=text(min_size=1))
    def run(case: schemathesis.Case[Any], path: str) -> None:
        if not trial.there and "path" in names:
            case.path_parameters["path"] = quote(path, safe="/")
        bodies: list[dict[str, Any] | None] = [None]
        if trial.there and isinstance(case.body, dict):
            good = trial.good(fuzzed.space)
            bodies += [good, *(good | {field: value} for field, value in case.body.items())]
        for body in bodies:
            answer = ask(fuzzed.control, case, body)
            answers.append(answer.status_code)
            case.validate_response(answer, checks=CHECKS)

    run()
    return answers


def test_requests_get_to_the_bottom(fuzzed: Fuzzed) -> None:
    """Else all that was tried would be how names are refused."""
    for operation in (
        *("list_versions", "list_tags", "get_version", "get_table", "list_names"),
        *("issue_credentials", "create_grant", "query_table", "run_sql", "set_tag"),
    ):
        answers = tried(fuzzed, Trial(operation, GenerationMode.POSITIVE, there=True), 1)
        assert {200, 201} & set(answers), (operation, answers)


def test_a_defect_would_be_found(fuzzed: Fuzzed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("klarity_storage.server.catalog.versions.list_tags", fail)
    with pytest.raises(FailureGroup):
        tried(fuzzed, Trial("list_tags", GenerationMode.POSITIVE, there=True))


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_no_request_finds_a_defect(fuzzed: Fuzzed, trial: Trial) -> None:
    assert tried(fuzzed, trial)
