"""Rows that are on their way stop when their caller may not read them any more."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pytest

from klarity_storage.server.queries.run import EVERY
from server_fixture import RunningServer

pytestmark = pytest.mark.real

ROWS = 60_000
NOISE = ", ".join(f"sha512(text || '{number}') as c{number}" for number in range(12))
"""768 bytes a row that no compression makes fewer: more than sockets and one batch hold."""


class Reader:
    """Who reads rows, and waits in the midst of them for longer than rights are trusted."""

    def __init__(self, server: RunningServer, pattern: str) -> None:
        self._server = server
        with server.user(("reader", pattern)) as storage:
            self.principal = storage.whoami().principal
            [grant] = storage.whoami().grants
        self.grant = grant.id
        self.token = server.admin.admin.create_token(self.user)

    @property
    def user(self) -> str:
        return self.principal.removeprefix("user:")

    def revoke(self) -> None:
        self._server.admin.admin.revoke_token(self.token.token.id)

    def ungrant(self) -> None:
        self._server.admin.admin.revoke_grant(self.grant)

    def disable(self) -> None:
        self._server.admin.admin.disable_user(self.user)

    def read(self, path: str, body: object, meanwhile: Callable[[], None]) -> tuple[bytes, str]:
        """The stream, and the id of its request; something happens after its first piece."""
        headers = {"Authorization": f"Bearer {self.token.secret}"}
        address = self._server.address
        with (
            httpx.Client(base_url=address, headers=headers, timeout=60) as client,
            client.stream("POST", path, json=body) as answer,
        ):
            assert answer.status_code == 200, answer.read()
            pieces = answer.iter_raw(1 << 16)
            begin = next(pieces)
            meanwhile()
            time.sleep(1.2 * EVERY)  # it may have been looked just before
            return begin + b"".join(pieces), answer.headers["X-Request-Id"]

    def lines(self, request: str) -> list[tuple[str, bool]]:
        """What was recorded of the request, oldest first."""
        found = self._server.admin.admin.get_audit(request_id=request)
        return [(event.target, event.allowed) for event in found][::-1]


@pytest.fixture
def table(server: RunningServer, space: str) -> str:
    server.admin.create_space(space)
    rows: dict[str, Any] = {"n": range(ROWS), "text": [f"text {n}" for n in range(ROWS)]}
    for name in ("noise", "other"):
        server.admin.push_data_frame(f"{space}/tables/{name}", rows)
    return f"{space}.noise"


def problem_of(stream: bytes) -> dict[str, Any]:
    """What stands in the message that is cut short, at which readers of Arrow fail."""
    with pytest.raises(pa.ArrowInvalid, match="Expected to read"):
        pa.ipc.open_stream(stream).read_all()
    found: dict[str, Any] = json.loads(stream[stream.rindex(b"\xff\xff\xff\xff") + 8 :])
    return found


def test_who_may_read_on_reads_all_and_leaves_no_line_for_it(
    server: RunningServer, space: str, table: str
) -> None:
    reader = Reader(server, space)
    stream, request = reader.read(
        "/v1/sql", {"query": f"select {NOISE} from {table}"}, lambda: None
    )
    assert pa.ipc.open_stream(stream).read_all().num_rows == ROWS
    assert reader.lines(request) == [("server", True), (f"{space}/tables/noise", True)]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (Reader.revoke, "unauthenticated"),
        (Reader.disable, "unauthenticated"),
        (Reader.ungrant, "table_not_found"),
    ],
)
def test_rows_end_with_the_right_to_read_them(
    server: RunningServer, space: str, table: str, end: Callable[[Reader], None], code: str
) -> None:
    reader = Reader(server, space)
    stream, request = reader.read(
        "/v1/sql", {"query": f"select {NOISE} from {table}"}, lambda: end(reader)
    )
    problem = problem_of(stream)
    assert problem["code"] == code
    assert problem["request_id"] == request
    target = "server" if code == "unauthenticated" else f"{space}/tables/noise"
    assert reader.lines(request)[2:] == [(target, False)]


def test_one_table_of_several_is_enough(server: RunningServer, space: str, table: str) -> None:
    reader = Reader(server, f"{space}/tables/o*")
    grant = server.admin.admin.create_grant(reader.principal, "reader", f"{space}/tables/noise")
    sql = f"select {NOISE} from {table} union all select {NOISE} from {space}.other"
    stream, request = reader.read(
        "/v1/sql", {"query": sql}, lambda: server.admin.admin.revoke_grant(grant.id)
    )
    problem = problem_of(stream)
    assert problem["code"] == "table_not_found"
    assert f"{space}/tables/noise" in problem["detail"]
    assert reader.lines(request)[-1] == (f"{space}/tables/noise", False)


def test_a_page_of_a_table_ends_too(server: RunningServer, space: str) -> None:
    server.admin.create_space(space)
    rows = {"n": range(ROWS), "text": [noise(number) for number in range(ROWS)]}
    server.admin.push_data_frame(f"{space}/tables/wide", rows)
    reader = Reader(server, space)
    path = f"/v1/spaces/{space}/tables/wide/query"
    stream, _ = reader.read(path, {}, lambda: None)
    assert pa.ipc.open_stream(stream).read_all().num_rows == ROWS
    stream, request = reader.read(path, {}, reader.revoke)
    assert problem_of(stream)["code"] == "unauthenticated"
    assert reader.lines(request)[-1] == ("server", False)


def noise(number: int) -> bytes:
    """512 bytes that no compression makes fewer."""
    return random.Random(number).randbytes(512)
