"""Thumbnails over HTTP: to whom, of what, once, and until when they are kept."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError
from obstore.store import S3Store
from PIL import Image

import klarity_storage as ks
from server.thumbnails.pictures import bombs, encoded, photograph, strangers
from server_fixture import RunningServer
from wire import Heard, Wire

pytestmark = pytest.mark.real

Plant = Callable[..., Path]
WireOf = Callable[[ks.Storage], Wire]
PHOTO = encoded(photograph(), "PNG")


def code(heard: Heard) -> tuple[int, str]:
    assert heard["content-type"] == "application/problem+json", heard.body
    assert heard["vary"] == "Authorization, Origin"
    return heard.status, json.loads(heard.body)["code"]


def size(heard: Heard) -> tuple[int, int]:
    assert heard.status == 200, heard.body
    return Image.open(io.BytesIO(heard.body)).size


@pytest.fixture
def version(owned: ks.Storage, space: str, plant: Plant) -> ks.Version:
    tree = {
        "scan.png": PHOTO,
        "no ending": PHOTO,
        "cut.png": PHOTO[:-9000],
        "bomb.png": bombs()["png"],
        "table.csv": b"id\n1\n",
        "liar.png": strangers()["html"],
        "script.eps": strangers()["eps"],
        "drawn.svg": strangers()["svg"],
        "empty.png": b"",
        "page.html": b"<p>",
    }
    return owned.push(f"{space}/artefacts/scan", plant(tree))


@pytest.fixture
def root(version: ks.Version) -> str:
    return f"/files/{version.name}/{version.hash}"


def kept(bucket: S3Store, name: object) -> list[str]:
    return [m["path"] for page in bucket.list(f"{name}/_thumbnails/") for m in page]


def test_a_thumbnail(wire: Wire, root: str) -> None:
    heard = wire(f"{root}/scan.png?thumbnail=256")
    assert size(heard) == (256, 160)
    assert heard["content-type"] == "image/webp"
    assert heard["cache-control"] == "private, max-age=31536000, immutable"
    assert heard["vary"] == "Authorization, Origin"
    assert heard["content-security-policy"].startswith("sandbox;")
    assert heard["x-content-type-options"] == "nosniff"
    assert heard["content-disposition"] == 'inline; filename="scan.png.webp"'
    assert heard["content-length"] == str(len(heard.body))
    again = wire(f"{root}/scan.png?thumbnail=256")
    assert (again.body, again["etag"]) == (heard.body, heard["etag"])
    same = wire(f"{root}/scan.png?thumbnail=256", if_none_match=heard["etag"])
    assert (same.status, same.body) == (304, b"")
    head = wire(f"{root}/scan.png?thumbnail=256", "HEAD")
    assert (head.body, head["etag"]) == (b"", heard["etag"])
    assert wire(f"{root}/scan.png")["etag"] != heard["etag"]
    assert wire(f"{root}/scan.png").body == PHOTO
    assert size(wire(f"{root}/no%20ending?thumbnail=64")) == (64, 40)


def test_a_range_of_a_thumbnail_is_all_of_it(wire: Wire, root: str) -> None:
    assert size(wire(f"{root}/scan.png?thumbnail=64", range="bytes=0-9")) == (64, 40)


@pytest.mark.parametrize("width", ["0", "1", "100", "257", "4096", "-64", "256.0", "x", "", "1e2"])
def test_few_widths_are_taken(wire: Wire, root: str, width: str) -> None:
    assert code(wire(f"{root}/scan.png?thumbnail={width}")) == (400, "invalid_input")


@pytest.mark.parametrize("width", [64, 128, 256, 512, 1024])
def test_widths(wire: Wire, root: str, width: int) -> None:
    found = size(wire(f"{root}/scan.png?thumbnail={width}"))
    assert found == ((width, width * 5 // 8) if width < 640 else (640, 400))


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("cut.png", (422, "unreadable_image")),
        ("bomb.png", (422, "unreadable_image")),
        ("table.csv", (415, "not_an_image")),
        ("page.html", (415, "not_an_image")),
        ("liar.png", (415, "not_an_image")),
        ("script.eps", (415, "not_an_image")),
        ("drawn.svg", (415, "not_an_image")),
        ("empty.png", (415, "not_an_image")),
        ("none.png", (404, "file_not_found")),
    ],
)
def test_what_none_is_drawn_of(
    wire: Wire, bucket: S3Store, version: ks.Version, root: str, path: str, refused: object
) -> None:
    for _ in range(2):  # the second one is remembered
        assert code(wire(f"{root}/{path}?thumbnail=256")) == refused
    assert kept(bucket, version.name) == []


def test_a_tag_leads_to_the_hash(wire: Wire, owned: ks.Storage, version: ks.Version) -> None:
    owned.tag(version.ref, "prod")
    heard = wire(f"/files/{version.name}/prod/scan.png?thumbnail=64")
    assert heard.status == 307
    assert heard["location"] == f"/files/{version.name}/{version.hash}/scan.png?thumbnail=64"


def test_whoever_may_not_read_the_file_gets_no_thumbnail(
    server: RunningServer, wire: Wire, wire_of: WireOf, root: str, space: str
) -> None:
    path = f"{root}/scan.png?thumbnail=64"
    assert wire(path).status == 200
    with server.user(("reader", f"{space}/datasets/other")) as storage:
        assert code(wire_of(storage)(path)) == (404, "version_not_found")
    with server.user(("reader", f"{space}/artefacts/scan")) as storage:
        assert wire_of(storage)(path).status == 200
    assert code(Wire(wire.address)(path)) == (401, "unauthenticated")


def test_it_is_drawn_once_and_kept(
    wire: Wire, bucket: S3Store, owned: ks.Storage, version: ks.Version, root: str, plant: Plant
) -> None:
    path = f"{root}/scan.png?thumbnail=512"
    with ThreadPoolExecutor(40) as pool:
        bodies = {heard.body for heard in pool.map(wire, [path] * 40)}
    assert len(bodies) == 1
    (key,) = kept(bucket, version.name)
    assert key.endswith("-512.webp")
    made = bucket.head(key)["last_modified"]
    other = owned.push(str(version.name), plant({"moved/scan.png": PHOTO}, "other"))
    heard = wire(f"/files/{version.name}/{other.hash}/moved/scan.png?thumbnail=512")
    assert {heard.body} == bodies  # the same bytes, by whichever version
    assert kept(bucket, version.name) == [key]
    assert bucket.head(key)["last_modified"] == made


def test_one_that_was_altered_is_drawn_again(
    wire: Wire, bucket: S3Store, version: ks.Version, root: str
) -> None:
    path = f"{root}/scan.png?thumbnail=64"
    right = wire(path).body
    (key,) = kept(bucket, version.name)
    bucket.put(key, b"another picture", attributes={"sha256": "0" * 64})
    assert wire(path).body == right
    bucket.delete(key)
    assert wire(path).body == right
    assert kept(bucket, version.name) == [key]


def test_nobody_who_writes_can_put_one_there(
    owned: ks.Storage, wire: Wire, bucket: S3Store, version: ks.Version, root: str
) -> None:
    wire(f"{root}/scan.png?thumbnail=64")
    (key,) = kept(bucket, version.name)
    keys = owned.credentials(str(version.name), write=True, version="0" * 64)
    store = keys.obstore()
    for target in (key, f"{version.name}/_thumbnails/{'0' * 64}/x.webp"):
        with pytest.raises(PermissionDeniedError):
            store.put(target, b"forged")
    with pytest.raises(GenericError, match="AccessDenied"):
        store.delete(key)
    with pytest.raises(ks.InvalidInputError):
        owned.credentials(str(version.name), write=True, version="_thumbnails")


def test_they_go_with_the_version_that_they_are_of(
    wire: Wire, bucket: S3Store, owned: ks.Storage, version: ks.Version, root: str, plant: Plant
) -> None:
    name = str(version.name)
    for width in (64, 128):
        wire(f"{root}/scan.png?thumbnail={width}")
    second = owned.push(name, plant({"new.png": encoded(photograph(90, 90), "PNG")}, "second"))
    wire(f"/files/{name}/{second.hash}/new.png?thumbnail=64")
    assert len(kept(bucket, name)) == 3
    now = timedelta()
    (found,) = [g for _, g in owned.collect_garbage(name, grace=now)]
    assert found.objects == 0
    owned.delete(version.ref)
    assert not next(owned.collect_garbage(name))[1].objects  # it is young
    (found,) = [g for _, g in owned.collect_garbage(name, grace=now, dry_run=False)]
    gone = [item for item in found.items if "/_thumbnails/" in item.key]
    assert [item.reason for item in gone] == ["deleted", "deleted"]
    assert [key for key in kept(bucket, name) if version.hash in key] == []
    assert len(kept(bucket, name)) == 1
    log = [bytes(bucket.get(m["path"]).bytes()) for p in bucket.list(f"{name}/_log/") for m in p]
    assert not any(b"_thumbnails" in entry for entry in log)
    assert code(wire(f"{root}/scan.png?thumbnail=64")) == (404, "version_not_found")
    again = owned.push(name, plant({"scan.png": PHOTO}, "again"))
    assert size(wire(f"/files/{name}/{again.hash}/scan.png?thumbnail=64")) == (64, 40)


def test_they_count_as_what_lies_in_the_space(
    server: RunningServer, wire: Wire, bucket: S3Store, root: str, space: str, version: ks.Version
) -> None:
    admin = server.admin
    before = admin.get_space(space).usage
    wire(f"{root}/scan.png?thumbnail=64")
    after = admin.get_space(space).usage
    assert before is not None
    assert after is not None
    assert after.objects == before.objects + 1
    assert after.bytes == before.bytes + bucket.head(kept(bucket, version.name)[0])["size"]


def test_without_room_it_is_drawn_and_not_kept(
    server: RunningServer, wire: Wire, bucket: S3Store, root: str, space: str, version: ks.Version
) -> None:
    server.admin.admin.set_quota(space, max_bytes=1)
    assert size(wire(f"{root}/scan.png?thumbnail=64")) == (64, 40)
    assert kept(bucket, version.name) == []


def test_files_in_packs_and_damaged_ones(
    wire: Wire, bucket: S3Store, owned: ks.Storage, space: str, plant: Plant
) -> None:
    tree = {f"{n:03}.png": encoded(photograph(32 + n, 32), "PNG") for n in range(70)}
    version = owned.push(f"{space}/datasets/many", plant(tree))
    assert "/_ks/pack-" in version.file("007.png").extents[0].object
    root = f"/files/{version.name}/{version.hash}"
    assert size(wire(f"{root}/007.png?thumbnail=64")) == (39, 32)
    key = f"{version.name}/{version.file('007.png').extents[0].object}"
    data = bytes(bucket.get(key).bytes())
    bucket.put(key, data[:1000] + os.urandom(len(data) - 1000))
    assert code(wire(f"{root}/030.png?thumbnail=64")) == (502, "integrity")
    bucket.put(key, data)
    assert size(wire(f"{root}/030.png?thumbnail=64")) == (62, 32)  # damage is not remembered
    assert size(wire(f"{root}/007.png?thumbnail=64")) == (39, 32)


def test_tables_have_none(wire: Wire, owned: ks.Storage, space: str) -> None:
    owned.push_data_frame(f"{space}/tables/runs", [{"id": 1}])
    listing = json.loads(wire(f"/files/{space}/tables/runs/").body)["entries"]
    path = next(entry["name"] for entry in listing if entry["name"].endswith(".parquet"))
    assert wire(f"/files/{space}/tables/runs/{path}?thumbnail=64").body[:4] == b"PAR1"
