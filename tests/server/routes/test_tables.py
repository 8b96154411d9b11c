from __future__ import annotations

import re

import pyarrow as pa
import pytest

from control_fixture import Control
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table

pytestmark = pytest.mark.real


def make_table(control: Control, space: str, table: str) -> None:
    name = Name(space, Kind.TABLES, table)
    keys = control.services.buckets.main.engine.credentials
    rows = pa.table({"id": [1, 2, 3], "score": [0.5, 0.25, 1.0]})
    location = TableLocation(name, f"s3://{keys.bucket}/{name}", keys)
    push_table(lambda: location, rows, by="user:admin")


def test_tables_are_listed_and_described(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    for table in ("runs", "secrets"):
        make_table(real, space, table)
    real.grant("user:bob", "reader", f"{space}/tables/r*")
    assert bob.ok("GET", f"/v1/spaces/{space}/tables")["items"] == [
        {"space": space, "name": "runs"}
    ]
    found = bob.ok("GET", f"/v1/spaces/{space}/tables/runs")
    assert (found["rows"], found["version"]) == (3, 0)
    assert [column["name"] for column in found["columns"]] == ["id", "score"]
    assert bob.ok("GET", f"/v1/spaces/{space}/tables/runs?version=0") == found
    problem = bob.fails(404, "GET", f"/v1/spaces/{space}/tables/runs?version=1")
    assert problem["code"] == "version_not_found"
    assert len(real.admin.ok("GET", f"/v1/spaces/{space}/tables")["items"]) == 2


def test_hidden_and_absent_tables_look_the_same(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    make_table(real, space, "secrets")
    real.grant("user:bob", "owner", f"{space}/tables/r*")
    found = [
        bob.fails(404, "GET", f"/v1/spaces/{space}/tables/{table}")
        for table in ("secrets", "absent_", "runs___")
    ]
    told = {
        (problem["code"], problem["hint"], re.sub(r"absent_|runs___", "secrets", problem["detail"]))
        for problem in found
    }
    assert len(told) == 1
    assert found[0]["code"] == "table_not_found"


def test_the_files_of_a_version_are_listed(real: Control, space: str) -> None:
    bob = real.user("bob")
    real.space(space)
    make_table(real, space, "runs")
    real.grant("user:bob", "reader", f"{space}/tables/runs")
    root = f"/v1/spaces/{space}/tables/runs/files"
    found = bob.ok("GET", root)
    assert (found["version"], found["direct"], found["next"]) == (0, True, None)
    assert [column["name"] for column in found["columns"]] == ["id", "score"]
    (file,) = found["items"]
    assert (file["rows"], file["nulls"]["id"]) == (3, 0)
    assert (file["minima"], file["maxima"]) == ({"id": "1"}, {"id": "3"})
    head = bob("HEAD", f"/files/{space}/tables/runs/{file['path']}")
    assert int(head.headers["Content-Length"]) == file["size"]
    assert bob.fails(404, "GET", f"{root}?version=1")["code"] == "version_not_found"
    assert bob.fails(400, "GET", f"{root}?after=x")["code"] == "invalid_reference"
    for limit in (0, 1001):
        assert bob.fails(400, "GET", f"{root}?limit={limit}")["code"] == "invalid_input"
    assert bob.fails(404, "GET", root.replace("runs", "gone"))["code"] == "table_not_found"
