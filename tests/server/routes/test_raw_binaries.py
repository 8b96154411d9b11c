from __future__ import annotations

import obstore
import pytest

from control_fixture import Control
from klarity_storage.layout import Kind, Name, raw_binary_key

pytestmark = pytest.mark.real


@pytest.fixture
def rows(real: Control, space: str) -> str:
    """The address of a table's binaries: three rows, the second with three files."""
    real.space(space)
    table = Name(space, Kind.TABLES, "runs")
    store = real.services.buckets.of(space).store
    for row, names in ((1, ["a.png"]), (2, ["a", "b/c", "d"]), ("Zürich/3", ["a"])):
        for name in names:
            obstore.put(store, raw_binary_key(table, row, name), b"123")
    return f"/v1/spaces/{space}/tables/runs/raw_binaries"


def test_rows_and_files_come_page_by_page(real: Control, rows: str) -> None:
    admin = real.admin
    whole = admin.ok("GET", rows)
    assert whole == {"items": [{"row": "1"}, {"row": "2"}, {"row": "Zürich/3"}], "next": None}
    first = admin.ok("GET", f"{rows}?limit=2")
    assert first == {"items": [{"row": "1"}, {"row": "2"}], "next": "2"}
    assert admin.ok("GET", f"{rows}?limit=2&after=2")["items"] == [{"row": "Zürich/3"}]

    found = admin.ok("GET", f"{rows}/files?row=2&limit=2")
    assert [file["name"] for file in found["items"]] == ["a", "b/c"]
    assert found["next"] == "b/c"
    rest = admin.ok("GET", f"{rows}/files?row=2&limit=2&after=b/c")
    assert ([file["name"] for file in rest["items"]], rest["next"]) == (["d"], None)
    assert admin.ok("GET", f"{rows}/files?row=2&after=d") == {"items": [], "next": None}
    assert len(admin.ok("GET", f"{rows}/files?row=2&after=")["items"]) == 3
    assert admin.ok("GET", f"{rows}/files?row=1")["items"] == [
        {"name": "a.png", "size": 3, "media_type": "image/png"}
    ]
    assert len(admin.ok("GET", f"{rows}/files?row=Z%C3%BCrich%2F3")["items"]) == 1


def test_what_cannot_be_asked_is_refused(real: Control, rows: str) -> None:
    for limit in (0, -1, 1001):
        assert real.admin.fails(400, "GET", f"{rows}?limit={limit}")["code"] == "invalid_input"
        real.admin.fails(400, "GET", f"{rows}/files?row=1&limit={limit}")
    real.admin.fails(400, "GET", f"{rows}/files")
    real.admin.fails(400, "GET", f"{rows}/files?row={'x' * 300}")
    real.admin.fails(400, "GET", f"{rows}/files?row=1&after=..")
    assert real.admin.fails(404, "GET", f"{rows}/files?row=7")["code"] == "file_not_found"
    real.admin.fails(404, "GET", f"{rows}/files?row=7&after=a")


def test_who_may_not_read_the_table_is_told_that_there_is_none(
    real: Control, space: str, rows: str
) -> None:
    bob = real.user("bob")
    real.grant("user:bob", "reader", f"{space}/tables/others")
    for path in (rows, f"{rows}/files?row=1"):
        assert bob.fails(404, "GET", path)["code"] == "table_not_found"
    real.grant("user:bob", "reader", f"{space}/tables/runs")
    assert len(bob.ok("GET", rows)["items"]) == 3
