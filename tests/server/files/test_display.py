"""What files are to a viewer, as a browser reads it in one request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import klarity_storage as ks
from server_fixture import RunningServer
from wire import Wire

pytestmark = pytest.mark.real

Plant = Callable[..., Path]
TREE = {
    "a.png": b"scan",
    "a/mask 1.png": b"mask",
    "a/deep/heat.png": b"heat",
    "notes.txt": b"said by nobody",
    "rows.parquet": b"PAR1",
}
DISPLAY = {
    "a.png": "image",
    "a/mask 1.png": "overlay of a.png",
    "a/deep/heat.png": "overlay of a.png",
    "rows.parquet": "table",
}


def listing(wire: Wire, path: str) -> Any:
    heard = wire(path)
    assert heard.status == 200, heard.body
    return json.loads(heard.body)


def roles(entries: Any) -> dict[str, tuple[str | None, str | None]]:
    return {entry["name"]: (entry["role"], entry["overlay_of"]) for entry in entries}


@pytest.fixture
def version(owned: ks.Storage, space: str, plant: Plant) -> ks.Version:
    return owned.push(f"{space}/artefacts/report", plant(TREE), display=DISPLAY)


@pytest.fixture
def root(version: ks.Version) -> str:
    return f"/files/{version.name}/{version.hash}"


def test_one_request_tells_all_files_and_what_they_are(wire: Wire, root: str) -> None:
    told = listing(wire, f"{root}/?recursive=true")
    assert roles(told["entries"]) == {
        "a.png": ("image", None),
        "a/deep/heat.png": ("overlay", "a.png"),
        "a/mask 1.png": ("overlay", "a.png"),
        "notes.txt": (None, None),
        "rows.parquet": ("table", None),
    }
    assert told["next"] is None
    assert told["entries"][0]["media_type"] == "image/png"
    assert listing(wire, f"{root}?recursive=true") == told
    below = listing(wire, f"{root}/a/?recursive=true")
    assert roles(below["entries"]) == {
        "deep/heat.png": ("overlay", "a.png"),
        "mask 1.png": ("overlay", "a.png"),
    }
    assert below["path"] == "a"


def test_a_folder_tells_what_stands_in_it(wire: Wire, root: str) -> None:
    assert roles(listing(wire, f"{root}/")["entries"]) == {
        "a.png": ("image", None),
        "a/": (None, None),
        "notes.txt": (None, None),
        "rows.parquet": ("table", None),
    }


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_hold_everything_once(wire: Wire, root: str, limit: int) -> None:
    found, after = [], ""
    while True:
        page = listing(wire, f"{root}/?recursive=true&limit={limit}&after={after}")
        assert len(page["entries"]) <= limit
        found += page["entries"]
        if page["next"] is None:
            break
        after = page["next"].replace(" ", "%20")
    assert found == listing(wire, f"{root}/?recursive=true")["entries"]
    assert wire(f"{root}/?recursive=true&limit=10001").status == 400


def test_a_listing_is_asked_about_again(wire: Wire, owned: ks.Storage, root: str, plant: Plant,
                                        version: ks.Version) -> None:  # fmt: skip
    heard = wire(f"{root}/?recursive=true")
    assert heard["cache-control"] == "private, no-cache"
    same = wire(f"{root}/?recursive=true", if_none_match=heard["etag"])
    assert (same.status, same.body, same["etag"]) == (304, b"", heard["etag"])
    assert wire(f"{root}/", if_none_match=heard["etag"]).status == 200
    again = owned.push(str(version.name), plant(TREE), display={"notes.txt": "image"})
    assert again.hash == version.hash
    other = wire(f"{root}/?recursive=true", if_none_match=heard["etag"])
    assert other.status == 200
    told = roles(json.loads(other.body)["entries"])
    assert (told["notes.txt"], told["a.png"]) == (("image", None), (None, None))
    assert wire(f"{root}/a.png").body == b"scan"
    assert wire(f"{root}/?recursive=true", "HEAD")["etag"] == other["etag"]


def test_a_writer_shows_the_same_content_another_way(
    server: RunningServer, owned: ks.Storage, version: ks.Version, space: str, plant: Plant
) -> None:
    with server.user(("writer", f"{space}/artefacts/report")) as writer:
        told = writer.push(str(version.name), plant(TREE), display={"a.png": "image"})
    assert told.info.seq == version.info.seq + 1
    assert owned.get_version(version.ref).file("a/mask 1.png").role is None
    assert owned.verify(str(version.name)).whole
    with server.user(("reader", space)) as reader, pytest.raises(ks.ForbiddenError):
        reader.push(str(version.name), plant(TREE), display=DISPLAY)


def test_of_a_large_version_the_page_alone_is_read(
    wire: Wire, owned: ks.Storage, space: str, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10_050):
        (folder / f"{number:05}.png").write_bytes(b"x")
    display = {f"{number:05}.png": "image" for number in range(10_049)}
    display["10049.png"] = "overlay of 00000.png"
    version = owned.push(f"{space}/datasets/many", folder, display=display)
    root = f"/files/{version.name}/{version.hash}"
    page = listing(wire, f"{root}/?recursive=true&limit=10000")
    assert (len(page["entries"]), page["next"]) == (10_000, "09999.png")
    last = listing(wire, f"{root}/?recursive=true&after=10047.png")["entries"]
    assert roles(last) == {"10048.png": ("image", None), "10049.png": ("overlay", "00000.png")}
