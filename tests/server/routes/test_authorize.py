from __future__ import annotations

import threading

import pytest

from control_fixture import Api, Control
from klarity_storage.layout import Kind, Name
from klarity_storage.server.audit.sink import AuditEvent
from klarity_storage.server.files.objects import STATE
from klarity_storage.server.rights.refusals import HEADER
from pushing_fixture import Push


@pytest.fixture
def bob(control: Control) -> Api:
    found = control.user("bob")
    control.space("vision")
    control.grant("user:bob", "writer", "vision/datasets")
    return found


@pytest.mark.parametrize(
    ("scope", "operation", "status"),
    [
        ("vision/datasets/cats", "read", 204),
        ("vision/datasets/cats", "write", 204),
        ("vision/datasets/cats", "overwrite", 403),
        ("vision/datasets/cats", "drop", 403),
        ("vision/datasets", "read", 204),
        ("vision", "read", 403),
        ("vision/models/net", "read", 404),
        ("audio", "read", 404),
        ("vision/raw_binary/runs", "read", 404),
        ("vision/datasets/c*", "read", 400),
        ("vision/datasets/..%2Fmodels", "read", 400),
        ("", "read", 400),
        ("vision/datasets/cats", "burn", 400),
    ],
)
def test_it_answers_as_the_operation_would(
    control: Control, bob: Api, scope: str, operation: str, status: int
) -> None:
    path = f"/v1/authorize?scope={scope}&operation={operation}"
    for _ in range(2):  # from the database, then from memory
        answer = bob("GET", path)
        assert answer.status_code == status, answer.text
        lines = control.audit(answer.headers["X-Request-Id"])
        assert len(lines) == (status != 400)
        assert all(line["allowed"] is (status == 204) for line in lines)
        assert all(line["about"] == operation for line in lines)
    if status == 204:
        assert answer.content == b""


def test_without_an_operation_it_is_reading(bob: Api) -> None:
    assert bob("GET", "/v1/authorize?scope=vision/datasets/cats").status_code == 204
    bob.fails(400, "GET", "/v1/authorize")


def test_a_decision_that_is_known_takes_no_thread(
    control: Control, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding: list[str] = []
    real = control.services.audit.write

    def note(event: AuditEvent) -> None:
        deciding.append(threading.current_thread().name)
        real(event)

    bob.ok("GET", "/v1/authorize?scope=vision/datasets/cats")
    monkeypatch.setattr(type(control.services.audit), "write", lambda _, event: note(event))
    bob.ok("GET", "/v1/authorize?scope=vision/datasets/dogs")
    [name] = deciding
    # a record that is kept in the database waits for it, and so must not be written on the loop
    assert name.startswith("ks-request") is not control.services.audit.at_once


def test_a_right_that_was_taken_ends_at_once(control: Control, bob: Api) -> None:
    [grant] = bob.ok("GET", "/v1/grants")["items"]
    bob.ok("GET", "/v1/authorize?scope=vision/datasets/cats")
    control.admin.ok("DELETE", f"/v1/grants/{grant['id']}")
    bob.fails(404, "GET", "/v1/authorize?scope=vision/datasets/cats")


@pytest.mark.real
def test_a_version_is_asked_about_as_its_files_are_read(
    real: Control, push: Push, space: str
) -> None:
    real.space(space)
    version = push(real.admin, f"{space}/datasets/cats", {"a": b"a"}).version
    bob, eve = real.user("bob"), real.user("eve")
    real.grant("user:bob", "reader", f"{space}/datasets/cats")
    path = f"/v1/authorize?scope={space}/datasets/cats&version={version}"
    answer = bob("GET", path)
    assert answer.status_code == 204
    (line,) = real.audit(answer.headers["X-Request-Id"])
    assert (line["principal"], line["allowed"]) == ("user:bob", True)
    assert line["about"] == f"version {version}: its files"
    hidden = eve.fails(404, "GET", path)
    absent = eve.fails(404, "GET", path.replace("cats", "none"))
    assert hidden["detail"].replace("cats", "none") == absent["detail"]
    assert real.stranger("GET", path).status_code == 401
    bob.fails(404, "GET", path.replace(version, "0" * 64))
    real.admin.ok("DELETE", f"/v1/spaces/{space}/datasets/cats/versions/{version}")
    real.services.histories.outdate(Name(space, Kind.DATASETS, "cats"))
    bob.fails(404, "GET", path)


@pytest.mark.real
def test_a_refusal_is_told_once_to_the_same_request_and_recorded_once(
    real: Control, push: Push, space: str
) -> None:
    real.space(space)
    version = push(real.admin, f"{space}/datasets/cats", {"a": b"a"}).version
    other = push(real.admin, f"{space}/datasets/dogs", {"a": b"a"}).version
    eve = real.user("eve")
    cats = f"/files/{space}/datasets/cats/{version}/a"
    dogs = f"/files/{space}/datasets/dogs/{other}/a"

    def asked(caller: Api, number: str) -> dict[str, str]:
        """The headers of the request that follows."""
        path = f"/v1/authorize?scope={space}/datasets/cats&version={version}"
        answer = caller("GET", path, headers={"X-Request-Id": number})
        assert answer.status_code in {401, 404}
        return {"X-Request-Id": number, HEADER: answer.headers[HEADER]}

    def lines(number: str) -> list[str]:
        return [line["operation"] for line in real.audit(number)]

    for caller in (eve, real.stranger, Api(real.http, "ks_" + "A" * 43)):
        number = f"refused-{len(real.audit())}"
        headers, own = asked(caller, number), caller("GET", cats)
        told = caller("GET", cats, headers=headers)
        assert told.status_code == own.status_code
        assert told.json() | {"request_id": ""} == own.json() | {"request_id": ""}
        assert (told.headers["vary"], told.headers["x-request-id"]) == (own.headers["vary"], number)
        assert lines(number) == ["check_right"]
        caller("GET", cats, headers=headers)  # once
        assert lines(number) == ["check_right", "read_file"]
    headers = asked(eve, "another-request")
    eve("GET", cats, headers=headers | {"X-Request-Id": "the-next-request"})
    assert lines("the-next-request") == ["read_file"]
    headers = asked(eve, "another-version")
    eve("GET", dogs, headers=headers)
    assert lines("another-version") == ["check_right", "read_file"]
    # a yes has no number, and what nobody gave out is none
    answer = real.admin("GET", f"/v1/authorize?scope={space}/datasets/cats&version={version}")
    assert (answer.status_code, HEADER in answer.headers) == (204, False)
    assert real.admin("GET", cats, headers={HEADER: "A" * 22}).content == b"a"
    assert HEADER not in eve("GET", f"/v1/authorize?scope={space}/datasets/cats").headers


@pytest.mark.real
def test_a_file_of_a_table_is_asked_about_as_it_is_read(real: Control, space: str) -> None:
    real.space(space)
    bob, eve = real.user("bob"), real.user("eve")
    real.grant("user:bob", "reader", f"{space}/tables/runs")
    store = real.services.buckets.of(space).store
    key, log = f"{space}/tables/runs/a.parquet", f"{space}/tables/runs/_delta_log/a.parquet"
    path = f"/v1/authorize?scope={space}/tables/runs&file=a.parquet"
    bob.fails(404, "GET", path)
    states = []
    for content in (b"one", b"two"):
        store.put(key, content)
        answer = bob("GET", path)
        assert answer.status_code == 204
        (line,) = real.audit(answer.headers["X-Request-Id"])
        assert (line["target"], line["about"]) == (f"{space}/tables/runs", "file a.parquet")
        states.append(answer.headers[STATE])
        assert bob("GET", f"/files/{key}").headers["ETag"] == states[-1]
    assert states[0] != states[1]
    store.put(log, b"a checkpoint")
    bob.fails(400, "GET", path.replace("file=", "file=_delta_log/"))
    hidden = eve.fails(404, "GET", path)
    absent = eve.fails(404, "GET", path.replace("runs", "none"))
    assert hidden["detail"].replace("runs", "none") == absent["detail"]
    assert real.stranger("GET", path).status_code == 401
    store.delete(key)
    bob.fails(404, "GET", path)


@pytest.mark.parametrize(
    "query",
    [
        f"scope=vision/datasets/cats&version={'0' * 63}",
        f"scope=vision/datasets/cats&version={'0' * 64}&operation=write",
        f"scope=vision/datasets&version={'0' * 64}",
        f"scope=vision/tables/runs&version={'0' * 64}",
        "scope=vision/datasets/cats&version=",
        "scope=vision/datasets/cats&file=a.parquet",
        "scope=vision/tables&file=a.parquet",
        "scope=vision/tables/runs&file=a.parquet&operation=write",
        "scope=vision/tables/runs&file=",
        "scope=vision/tables/runs&file=../other/a.parquet",
    ],
)
def test_what_has_no_versions_or_files(bob: Api, query: str) -> None:
    bob.fails(400, "GET", f"/v1/authorize?{query}")
