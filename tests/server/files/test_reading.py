"""The read path as browsers use it, against a whole server."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import klarity_storage as ks
from wire import Heard, Wire

pytestmark = pytest.mark.real

Plant = Callable[..., Path]
TREE = {
    "a.txt": b"hello, files",
    "empty": b"",
    "train/0001.png": bytes(range(256)) * 40,
    "train/Zürich 1%.csv": b"id\n1\n",
    "page.html": b"<script>alert(1)</script>",
}


@pytest.fixture
def version(owned: ks.Storage, space: str, plant: Plant) -> ks.Version:
    return owned.push(f"{space}/datasets/cats", plant(TREE))


@pytest.fixture
def root(version: ks.Version) -> str:
    return f"/files/{version.name}/{version.hash}"


def problem(heard: Heard, status: int) -> str:
    assert heard.status == status, heard.body
    assert heard["content-type"] == "application/problem+json"
    assert heard["vary"] == "Authorization, Origin"
    told = json.loads(heard.body)
    assert told["status"] == status
    assert told["request_id"] == heard["x-request-id"]
    return str(told["code"])


def test_a_file_and_what_is_told_of_it(wire: Wire, root: str) -> None:
    data = TREE["train/0001.png"]
    heard = wire(f"{root}/train/0001.png")
    assert (heard.status, heard.body) == (200, data)
    assert heard["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert heard["content-type"] == "image/png"
    assert heard["content-length"] == str(len(data))
    assert heard["accept-ranges"] == "bytes"
    assert heard["cache-control"] == "private, max-age=31536000, immutable"
    assert heard["vary"] == "Authorization, Origin"
    assert heard["repr-digest"].startswith("sha-256=:")
    assert heard["content-disposition"] == 'inline; filename="0001.png"'
    assert heard["x-content-type-options"] == "nosniff"

    head = wire(f"{root}/train/0001.png", "HEAD")
    changing = {"date", "x-request-id"}
    assert head.body == b""
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in heard.headers.items() if k not in changing
    }


def test_an_empty_file(wire: Wire, root: str) -> None:
    heard = wire(f"{root}/empty")
    assert (heard.status, heard.body, heard["content-length"]) == (200, b"", "0")
    assert problem(wire(f"{root}/empty", range="bytes=0-0"), 416) == "range_not_satisfiable"


def test_names_that_are_not_ascii(wire: Wire, root: str) -> None:
    heard = wire(f"{root}/train/Z%C3%BCrich%201%25.csv")
    assert heard.body == TREE["train/Zürich 1%.csv"]
    assert heard["content-type"] == "text/csv; charset=utf-8"
    assert "filename*=UTF-8''Z%C3%BCrich%201%25.csv" in heard["content-disposition"]
    assert wire(f"{root}/a.txt?download=true")["content-disposition"].startswith("attachment")


def test_one_range_and_several(wire: Wire, root: str) -> None:
    data = TREE["train/0001.png"]
    path = f"{root}/train/0001.png"
    heard = wire(path, range="bytes=10-19")
    assert (heard.status, heard.body) == (206, data[10:20])
    assert heard["content-range"] == f"bytes 10-19/{len(data)}"
    assert wire(path, range="bytes=-5").body == data[-5:]
    assert wire(path, range="bytes=10000-").body == data[10000:]

    heard = wire(path, range="bytes=0-9,5000-5009,-3")
    kind, _, boundary = heard["content-type"].partition("; boundary=")
    assert (heard.status, kind) == (206, "multipart/byteranges")
    parts = heard.body.split(f"--{boundary}".encode())
    assert parts[-1] == b"--\r\n"
    found = [part.strip(b"\r\n").split(b"\r\n\r\n", 1) for part in parts[1:-1]]
    spans = [(0, 10), (5000, 5010), (len(data) - 3, len(data))]
    for (head, body), (start, end) in zip(found, spans, strict=True):
        assert body == data[start:end]
        assert f"Content-Range: bytes {start}-{end - 1}/{len(data)}".encode() in head
        assert b"Content-Type: image/png" in head
    assert wire(path, "HEAD", range="bytes=0-9").status == 200


def test_conditions(wire: Wire, root: str) -> None:
    path = f"{root}/a.txt"
    etag = wire(path)["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        heard = wire(path, if_none_match=known)
        assert (heard.status, heard.body, heard["etag"]) == (304, b"", etag)
        assert heard["cache-control"].endswith("immutable")
    assert wire(path, if_none_match='"x"').status == 200
    assert wire(path, range="bytes=0-1", if_range=etag).status == 206
    assert wire(path, range="bytes=0-1", if_range='"x"').status == 200
    assert wire(path, range="bytes=0-1", if_range=f"W/{etag}").status == 200
    assert wire(path, if_match=etag).status == 200
    assert problem(wire(path, if_match='"x"'), 412) == "precondition_failed"


def test_tags_and_short_hashes_lead_to_the_hash(
    wire: Wire, owned: ks.Storage, version: ks.Version, root: str
) -> None:
    owned.tag(version.ref, "prod")
    name = version.name
    for selector in ("prod", "latest", version.hash[:8]):
        heard = wire(f"/files/{name}/{selector}/train/Z%c3%bcrich%201%25.csv?download=true")
        assert heard.status == 307
        assert heard["location"] == f"{root}/train/Z%C3%BCrich%201%25.csv?download=true"
        assert heard["cache-control"] == "no-store"
        assert wire(heard["location"]).status == 200
        assert wire(f"/files/{name}/{selector}/train/")["location"] == f"{root}/train/"
    assert problem(wire(f"/files/{name}/nothing/a.txt"), 404) == "version_not_found"


def test_listings_page_by_page(wire: Wire, root: str, version: ks.Version) -> None:
    top = json.loads(wire(f"{root}/").body)
    assert (top["version"], top["path"], top["next"]) == (version.hash, "", None)
    assert [entry["name"] for entry in top["entries"]] == ["a.txt", "empty", "page.html", "train/"]
    assert top["entries"][0]["sha256"] == hashlib.sha256(TREE["a.txt"]).hexdigest()
    assert json.loads(wire(root).body) == top
    found, after = [], ""
    while True:
        page = json.loads(wire(f"{root}/?limit=1&after={after}").body)
        found += page["entries"]
        if not (after := page["next"] or ""):
            break
    assert found == top["entries"]
    below = wire(f"{root}/train/")
    assert [e["name"] for e in json.loads(below.body)["entries"]] == ["0001.png", "Zürich 1%.csv"]
    assert below["cache-control"] == "private, no-cache"
    assert wire(f"{root}/train/", "HEAD").body == b""
    assert problem(wire(f"{root}/none/"), 404) == "file_not_found"
    assert "slash" in wire(f"{root}/train").body.decode()
    assert problem(wire(f"{root}/?limit=0"), 400) == "invalid_input"


def test_packs_and_files_in_several_extents(
    wire: Wire, owned: ks.Storage, space: str, plant: Plant
) -> None:
    small = {f"s/{number:03}.bin": os.urandom(900) for number in range(80)}
    large = os.urandom(12 << 20)
    name = f"{space}/models/net"
    owned.push(name, plant({"weights": large, **small}, "one"))
    changed = large[: 5 << 20] + b"changed" + large[5 << 20 :]
    version = owned.push(name, plant({"weights": changed, **small}, "two"))
    assert len(version.file("weights").extents) > 1
    assert "/_ks/pack-" in version.file("s/007.bin").extents[0].object
    base = f"/files/{name}/{version.hash}"
    heard = wire(f"{base}/weights")
    assert heard.status == 200, heard.body
    assert heard.body == changed
    start = (5 << 20) - 10
    middle = wire(f"{base}/weights", range=f"bytes={start}-{start + 29}").body
    assert middle == changed[start : start + 30]
    for path in ("s/000.bin", "s/079.bin"):
        assert wire(f"{base}/{path}").body == small[path]
    assert wire(f"{base}/s/007.bin", range="bytes=100-199").body == small["s/007.bin"][100:200]


def test_what_a_page_of_a_data_space_may_not_do(wire: Wire, root: str) -> None:
    heard = wire(f"{root}/page.html")
    policy = heard["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow" not in policy
    assert "script" not in policy
    assert heard["x-content-type-options"] == "nosniff"


def test_a_deleted_version_is_gone_at_once(
    wire: Wire, owned: ks.Storage, version: ks.Version, root: str
) -> None:
    assert wire(f"{root}/a.txt").status == 200
    owned.delete(version.ref)
    assert problem(wire(f"{root}/a.txt"), 404) == "version_not_found"
    assert problem(wire(f"{root}/a.txt", range="bytes=0-1"), 404) == "version_not_found"
