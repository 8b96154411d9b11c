from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from klarity_storage.errors import error_classes
from klarity_storage.server.contract import contract, main, stale_files, write_contract

CONTRACT = Path(__file__).parents[2] / "contract"
OPENAPI = json.loads((CONTRACT / "openapi.json").read_text())
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, item in OPENAPI["paths"].items()
    for method, operation in item.items()
]


def test_the_contract_is_in_step() -> None:
    assert stale_files(CONTRACT) == [], "run: make contract"


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "klarity_storage.server.contract", str(tmp_path / seed)],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=tmp_path,
        )
    for name, text in contract().items():
        assert (tmp_path / "1" / name).read_text() == (tmp_path / "2" / name).read_text() == text


def test_a_stale_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_contract(tmp_path)
    assert main(["--check", str(tmp_path)]) == 0
    (tmp_path / "errors.json").write_text("[]")
    (tmp_path / "openapi.json").unlink()
    assert main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "openapi.json" in told
    assert "errors.json" in told
    assert "make contract" in told


def test_every_error_says_what_it_means() -> None:
    errors = json.loads((CONTRACT / "errors.json").read_text())
    assert [e["code"] for e in errors] == sorted(error_classes())
    for error in errors:
        assert error["meaning"].endswith(".")
        assert 400 <= error["status"] < 600


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_an_operation_is_documented(name: str, operation: dict[str, object]) -> None:
    assert OPENAPI["openapi"].startswith("3.1")
    verb, _, noun = str(operation["operationId"]).partition("_")
    assert verb.isalpha(), name
    assert noun, name
    assert operation["tags"]
    summary = str(operation["summary"])
    assert " " in summary
    assert not summary.endswith(".")
    responses = operation["responses"]
    assert isinstance(responses, dict)
    for status, response in responses.items():
        assert "Additional response" not in response["description"]
        if int(status) >= 400 and "Readiness" not in str(response):
            assert list(response["content"]) == ["application/problem+json"]
            assert "schemas/Problem" in str(response)
    if operation.get("security"):
        assert operation["security"] == [{"bearer": []}]
        assert {"400", "401", "500", "503", "507"} <= set(responses)
    else:
        assert name in {"GET /healthz", "GET /readyz", "GET /v1/server"}


def test_the_contract_holds_nothing_of_a_machine() -> None:
    for file in CONTRACT.iterdir():
        text = file.read_text()
        assert "/home/" not in text
        assert "http://" not in text
        assert "https://" not in text
