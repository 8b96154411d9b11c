"""Files of tables and binaries of rows on the read path."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest

import klarity_storage as ks
from wire import Wire

pytestmark = pytest.mark.real


@pytest.fixture
def table(owned: ks.Storage, space: str) -> str:
    owned.push_data_frame(f"{space}/tables/runs", {"id": [1, 2, 3], "x": ["a", "b", "c"]})
    return f"/files/{space}/tables/runs"


def entries(wire: Wire, path: str) -> list[str]:
    heard = wire(path)
    assert heard.status == 200, heard.body
    return [entry["name"] for entry in json.loads(heard.body)["entries"]]


def test_a_parquet_file_of_a_table(wire: Wire, table: str) -> None:
    names = entries(wire, f"{table}/")
    parquet = next(name for name in names if name.endswith(".parquet"))
    heard = wire(f"{table}/{parquet}")
    assert pq.read_table(io.BytesIO(heard.body)).column("id").to_pylist() == [1, 2, 3]
    assert heard["content-type"] == "application/vnd.apache.parquet"
    assert heard["cache-control"] == "private, max-age=31536000, immutable"
    assert wire(f"{table}/{parquet}", if_none_match=heard["etag"]).status == 304
    tail = wire(f"{table}/{parquet}", range="bytes=-4", if_range=heard["etag"])
    assert (tail.status, tail.body) == (206, b"PAR1")


def test_the_log_may_be_read_and_is_asked_for_again(wire: Wire, table: str) -> None:
    first = "_delta_log/00000000000000000000.json"
    assert first in entries(wire, f"{table}/")
    assert entries(wire, f"{table}/_delta_log/") == [first.rpartition("/")[2]]
    heard = wire(f"{table}/{first}")
    assert b'"add"' in heard.body
    assert heard["cache-control"] == "private, no-cache"
    assert heard["etag"].startswith('"')


def test_what_a_table_does_not_have(wire: Wire, table: str) -> None:
    heard = wire(f"{table}/none.parquet")
    assert (heard.status, json.loads(heard.body)["code"]) == (404, "file_not_found")
    assert wire(f"{table}/none/").status == 404


def test_partitions_are_named_as_the_bucket_names_them(
    owned: ks.Storage, wire: Wire, space: str
) -> None:
    owned.push_data_frame(
        f"{space}/tables/parts", {"id": [1, 2], "day": ["a b", "c/d"]}, partition_by=["day"]
    )
    base = f"/files/{space}/tables/parts/"
    names = [name for name in entries(wire, base) if name.endswith(".parquet")]
    assert len(names) == 2
    for name in names:
        escaped = name.replace("%", "%25").replace(" ", "%20")
        assert wire(base + escaped).body[:4] == b"PAR1"


def test_binaries_of_rows(owned: ks.Storage, wire: Wire, space: str, table: str) -> None:
    runs = f"{space}/tables/runs"
    owned.push_raw_binary(runs, row_index=1, files={"scan Ä.dcm": b"scan" * 1000})
    owned.push_raw_binary(runs, row_index=2, files={"a/b.bin": b"", "z.bin": b"z"})
    base = f"/files/{space}/raw_binary/runs"
    heard = wire(f"{base}/1/scan%20%C3%84.dcm")
    assert heard.body == b"scan" * 1000
    assert heard["content-type"] == "application/dicom"
    assert heard["cache-control"] == "private, no-cache"
    assert "repr-digest" in heard.headers
    assert wire(f"{base}/1/scan%20%C3%84.dcm", range="bytes=2-5").body == b"ansc"
    assert wire(f"{base}/2/a/b.bin").body == b""
    assert entries(wire, f"{base}/2/") == ["a/b.bin", "z.bin"] == entries(wire, f"{base}/2")
    page = json.loads(wire(f"{base}/2/?limit=1").body)
    assert page["next"] == "a/b.bin"
    rest = json.loads(wire(f"{base}/2/?limit=1&after=a/b.bin").body)
    assert [entry["name"] for entry in rest["entries"]] == ["z.bin"]
    assert rest["next"] is None
    owned.push_raw_binary(runs, row_index=2, files={"z.bin": b"other"})
    assert wire(f"{base}/2/z.bin").body == b"other"


def test_a_row_is_written_as_its_key_writes_it(owned: ks.Storage, wire: Wire, space: str) -> None:
    owned.push_data_frame(f"{space}/tables/named", {"id": ["Zürich/3"]})
    owned.push_raw_binary(f"{space}/tables/named", row_index="Zürich/3", files={"a": b"1"})
    base = f"/files/{space}/raw_binary/named"
    assert wire(f"{base}/Z~c3~bcrich~2f3/a").body == b"1"
    assert wire(f"{base}/Z%C3%BCrich/a").status == 400


def test_nobody_reads_the_rows_of_a_table_without_the_table(
    owned: ks.Storage, wire: Wire, space: str, table: str, server: object
) -> None:
    owned.push_raw_binary(f"{space}/tables/runs", row_index=1, files={"a": b"1"})
    del server
    for path in (f"{table}/", f"/files/{space}/raw_binary/runs/1/a"):
        assert wire(path).status == 200
        assert Wire(wire.address)(path).status == 401
