from __future__ import annotations

import re
from typing import Any

import pytest

from klarity_storage.errors import (
    ConflictError,
    InvalidInputError,
    InvalidNameError,
    InvalidReferenceError,
)
from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import CredentialsRequest, Operation
from klarity_storage.server.credentials.issue import find_reach, issue, session_name
from klarity_storage.server.credentials.scope import Scope
from klarity_storage.server.engines.seaweed import SeaweedEngine

VERSION = "ab" * 32
COMMITTED = "cd" * 32


def is_committed(name: Name, version: str) -> bool:
    del name
    return version == COMMITTED


def asking(scope: str, operation: str = "write", version: str | None = None) -> CredentialsRequest:
    return CredentialsRequest(scope=scope, operation=Operation(operation), version=version)


def test_reading_reaches_the_scope_and_writes_nothing() -> None:
    assert find_reach(is_committed, asking("vision", "read")).read == ["vision/"]
    assert find_reach(is_committed, asking("vision/models", "read")).read == ["vision/models/"]
    reach = find_reach(is_committed, asking("vision/models/m", "read"))
    assert (reach.read, reach.write) == (["vision/models/m/"], [])


def test_a_table_covers_the_binaries_of_its_rows() -> None:
    both = ["vision/tables/runs/", "vision/raw_binary/runs/"]
    for operation in ("write", "overwrite"):
        reach = find_reach(is_committed, asking("vision/tables/runs", operation))
        assert (reach.read, reach.write) == (both, both)
    reach = find_reach(is_committed, asking("vision/tables/runs", "drop"))
    assert (reach.read, reach.write, reach.delete) == (both, [], both)
    reach = find_reach(is_committed, asking("vision/tables", "read"))
    assert reach.read == ["vision/tables/", "vision/raw_binary/"]


def test_a_vacuum_deletes_files_of_its_table_and_none_of_the_log() -> None:
    reach = find_reach(is_committed, asking("vision/tables/runs", "vacuum"))
    own = ["vision/tables/runs/"]
    assert (reach.read, reach.write, reach.delete) == (own, own, own)
    assert reach.keep == ["vision/tables/runs/_delta_log/"]


def test_a_push_writes_below_its_version_only() -> None:
    reach = find_reach(is_committed, asking("vision/datasets/cats", version=VERSION))
    assert reach.read == ["vision/datasets/cats/"]
    assert reach.write == [f"vision/datasets/cats/{VERSION}/"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asking("vision/datasets/cats"), InvalidInputError),
        (asking("vision/datasets/cats", version="ab12"), InvalidReferenceError),
        (asking("vision/datasets/cats", version=COMMITTED), ConflictError),
        (asking("vision/datasets/cats", "overwrite", VERSION), InvalidInputError),
        (asking("vision/datasets/cats", "vacuum", VERSION), InvalidInputError),
        (asking("vision/datasets/cats", "drop"), InvalidInputError),
        (asking("vision/tables", "drop"), InvalidInputError),
        (asking("vision", version=VERSION), InvalidInputError),
        (asking("vision/datasets", version=VERSION), InvalidInputError),
        (asking("vision/tables"), InvalidInputError),
        (asking("vision/raw_binary/runs"), InvalidReferenceError),
        (asking("vision/raw_binary", "read"), InvalidReferenceError),
        (asking("vision/pictures/x", "read"), InvalidReferenceError),
        (asking("", "read"), InvalidNameError),
        (asking("vision/", "read"), InvalidReferenceError),
        (asking("vision/models/", "read"), InvalidNameError),
        (asking("vision/models/a/b", "read"), InvalidReferenceError),
        (asking("../models/a", "read"), InvalidNameError),
        (asking("*", "read"), InvalidNameError),
    ],
)
def test_what_is_not_given_is_refused(request_: CredentialsRequest, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        find_reach(is_committed, request_)
    assert caught.type is error


@pytest.mark.parametrize("by", ["user:alice", "x", "anyone", "user:" + "ä" * 200])
def test_a_session_name_is_one_that_engines_take(by: str) -> None:
    for request_id in ("a_b.c-12", "5c0f2d7a9b3e4f10", "x" * 62, "x" * 63, "x" * 64):
        name = session_name(by, request_id)
        assert re.fullmatch(r"[A-Za-z0-9_+=,.@-]{2,64}", name)
        assert name.endswith(request_id)


@pytest.mark.parametrize("text", ["vision", "vision/tables", "vision/models/m"])
def test_a_scope_prints_as_it_was_written(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.real
def test_given_credentials_name_what_they_reach_and_when_they_end(
    engine: SeaweedEngine, space: str
) -> None:
    request: dict[str, Any] = {"scope": f"{space}/models/m", "duration": 900}
    given = issue(engine, is_committed, CredentialsRequest(**request), "user:alice", "request-1")
    assert given.prefixes == [f"{space}/models/m/"]
    assert given.endpoint == engine.credentials.endpoint
    assert given.session_token
    assert given.expires_at is not None
    assert given.access_key_id != engine.credentials.access_key_id
    for secret in (given.secret_access_key, given.session_token):
        assert secret not in repr(given)
