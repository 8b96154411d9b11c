"""The doctor must find out an engine that lets temporary keys take the role they are made from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import klarity_storage as ks
from conftest import PlantTree
from engine_proxy import Exchange, form, spoiled
from klarity_storage.client.doctor.check import Outcome
from klarity_storage.client.doctor.diagnose import diagnose
from klarity_storage.client.doctor.role import EMBEDDED_ROLE, check_role
from klarity_storage.protocol.credentials import MIN_DURATION, S3Credentials
from klarity_storage.server.credentials.policy import compile_policy
from klarity_storage.server.engines import weed
from klarity_storage.server.engines.ports import choose_ports
from klarity_storage.server.engines.seaweed import SeaweedEngine
from server_fixture import start_server

pytestmark = pytest.mark.real

OPEN_ROLE = """
import sys
from klarity_storage.cli.main import main
from klarity_storage.server.engines import weed

weed._SERVER_ARN = "*"
main(sys.argv[1:])
"""
"""A server whose engine lets everybody take the role, as it was once."""


def keys_of(engine: SeaweedEngine) -> S3Credentials:
    return engine.assume(compile_policy("klarity", read=["a/b/"]), "somebody", MIN_DURATION)


def test_a_role_that_everybody_can_take_is_found_out(tmp_path: Path, plant: PlantTree) -> None:
    program = tmp_path / "open_role.py"
    program.write_text(OPEN_ROLE)
    process, address, token = start_server(
        tmp_path / "open", program=[sys.executable, str(program)]
    )
    try:
        with ks.connect(address, token=token) as storage:
            storage.create_space("vision")
            storage.push("vision/datasets/cats", plant({"a": b"cats"}))
        failures = [check for check in diagnose(address, token) if check.outcome is Outcome.FAIL]
    finally:
        process.terminate()
        process.wait(30)
    (check,) = failures
    assert check.name == "must not take the engine's role"
    assert weed.ROLE_ARN in check.told
    assert "at once" in str(check.remedy)
    assert "trust policy" in str(check.remedy)


def test_the_role_is_the_one_that_the_engine_names(engine: SeaweedEngine) -> None:
    asked: list[dict[str, str]] = []

    def renamed(exchange: Exchange) -> tuple[int, bytes]:
        asked.append(form(exchange))
        answer = exchange.answer.replace(b"000000000000", b"123456789012")
        return exchange.status, answer.replace(b"role/klarity", b"role/archive")

    with spoiled(engine.credentials.endpoint, renamed) as endpoint:
        check = check_role(msgspec.structs.replace(keys_of(engine), endpoint=endpoint))
    assert [each["Action"] for each in asked] == ["GetCallerIdentity", "AssumeRole"]
    assert asked[1]["RoleArn"] == "arn:aws:iam::123456789012:role/archive"
    assert check.outcome is Outcome.PASS
    assert "arn:aws:iam::123456789012:role/archive" in check.told


def test_an_engine_that_tells_no_role_is_asked_for_the_embedded_one(engine: SeaweedEngine) -> None:
    assert EMBEDDED_ROLE == weed.ROLE_ARN
    asked: list[dict[str, str]] = []

    def tells_nothing(exchange: Exchange) -> tuple[int, bytes]:
        asked.append(form(exchange))
        known = asked[-1]["Action"] == "AssumeRole"
        return (exchange.status, exchange.answer) if known else (501, b"")

    with spoiled(engine.credentials.endpoint, tells_nothing) as endpoint:
        check = check_role(msgspec.structs.replace(keys_of(engine), endpoint=endpoint))
    assert asked[1]["RoleArn"] == EMBEDDED_ROLE
    assert check.outcome is Outcome.PASS
    assert check.told.startswith("refused")


def test_a_refusal_is_of_the_role_and_not_of_the_signature(engine: SeaweedEngine) -> None:
    check = check_role(keys_of(engine))
    assert check.outcome is Outcome.PASS
    assert check.told == f"refused: {weed.ROLE_ARN} (status 403, AccessDenied)"


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "told"),
    [
        (404, b"", Outcome.PASS, "there is no STS"),
        (405, b"<Error><Code>MethodNotAllowed</Code></Error>", Outcome.PASS, "MethodNotAllowed"),
        (501, b"<Error><Code>NotImplemented</Code></Error>", Outcome.PASS, "NotImplemented"),
        (200, b"<html>", Outcome.PASS, "there is no STS"),
        (503, b"", Outcome.FAIL, "could not be tried"),
    ],
)
def test_what_stands_where_sts_could(
    engine: SeaweedEngine, status: int, answer: bytes, outcome: Outcome, told: str
) -> None:
    with spoiled(engine.credentials.endpoint, lambda _: (status, answer)) as endpoint:
        check = check_role(msgspec.structs.replace(keys_of(engine), endpoint=endpoint))
    assert check.outcome is outcome
    assert told in check.told
    assert str(status) in check.told


def _lost(_: Exchange) -> None:
    return None


@pytest.mark.parametrize("spoil", [_lost, None], ids=["hangs up", "nobody listens"])
def test_an_sts_that_does_not_answer(
    engine: SeaweedEngine, spoil: Callable[[Exchange], None] | None
) -> None:
    if spoil is None:
        nowhere = f"http://127.0.0.1:{choose_ports().s3}"
        check = check_role(msgspec.structs.replace(keys_of(engine), endpoint=nowhere))
    else:
        with spoiled(engine.credentials.endpoint, spoil) as endpoint:
            check = check_role(msgspec.structs.replace(keys_of(engine), endpoint=endpoint))
    assert check.outcome is Outcome.PASS
    assert "no STS answers" in check.told
