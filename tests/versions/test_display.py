"""How files are shown: said by who pushes, held in the manifest, looked at by the commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from obstore.store import MemoryStore, ObjectStore

import klarity_storage as ks
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.storage import Storage
from klarity_storage.layout import Kind, Name
from klarity_storage.versions.arrays import text_array
from klarity_storage.versions.display import Shown, display_of, parse_display
from klarity_storage.versions.manifest import SCHEMA, SHOWN, Extent, FileInfo, Manifest
from klarity_storage.versions.manifest_index import GROUP
from versions.support import commit, file_info, upload_manifest

Plant = Callable[..., Path]
NAME = "s/artefacts/report"
TREE = {"a.png": b"scan", "m/1.png": b"mask", "m/2.png": b"heat", "rows.parquet": b"PAR1"}
DISPLAY = {
    "a.png": "image",
    "m/1.png": "overlay of a.png",
    "m/2.png": "overlay of a.png",
    "rows.parquet": "table",
}


def shown(version: ks.Version) -> dict[str, tuple[str | None, str | None]]:
    return {file.path: (file.role, file.overlay_of) for file in version.files()}


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def there(memory: MemoryStore) -> Storage:
    return Storage(LocalBackend(memory), "the test")


def test_what_was_said_is_read(storage: Storage, plant: Plant) -> None:
    version = storage.push(NAME, plant(TREE), display=DISPLAY)
    expected = {
        "a.png": ("image", None),
        "m/1.png": ("overlay", "a.png"),
        "m/2.png": ("overlay", "a.png"),
        "rows.parquet": ("table", None),
    }
    assert shown(version) == expected
    again = storage.get_version(NAME)
    assert shown(again) == expected
    assert again.file("m/1.png").overlay_of == "a.png"
    assert [file.role for file in again.files("m")] == ["overlay", "overlay"]
    roles = again.manifest("path", "role")["role"].to_pylist()
    assert roles == ["image", "overlay", "overlay", "table"]
    assert again.manifest(below="m").schema.names == [*SCHEMA.names, *SHOWN.names]
    assert Manifest.of(again.files()).encode()[0] == again.info.manifest


def test_nothing_is_in_the_manifest_of_who_says_nothing(there: Storage, plant: Plant) -> None:
    version = there.push(NAME, plant(TREE))
    assert version.manifest().schema.names == SCHEMA.names
    assert Manifest.of(version.files()).encode()[0] == version.info.manifest
    assert version.manifest("role", "path")["role"].null_count == len(TREE)
    assert version.manifest("role", below="m").schema.names == ["role"]
    assert shown(version) == dict.fromkeys(TREE, (None, None))


def test_content_that_is_pushed_again_stays_shown(there: Storage, plant: Plant) -> None:
    first = there.push(NAME, plant(TREE), display=DISPLAY)
    assert there.push(NAME, plant(TREE)).info == first.info
    there.push(NAME, plant({"other": b"x"}, "other"))
    back = there.push(NAME, plant(TREE))
    assert back.info.seq == 2
    assert (back.hash, shown(back)) == (first.hash, shown(first))


def test_the_same_content_is_shown_another_way(
    memory: MemoryStore, there: Storage, plant: Plant
) -> None:
    plain = there.push(NAME, plant(TREE))
    before = set(_keys(memory))
    told = there.push(NAME, plant(TREE), display=DISPLAY)
    assert told.hash == plain.hash
    assert told.info.seq == plain.info.seq + 1
    assert told.info.parents == plain.info.parents
    assert shown(told)["a.png"] == ("image", None)
    new = set(_keys(memory)) - before
    assert len([key for key in new if "/_log/" not in key]) == 1  # a manifest, and no bytes
    assert there.push(NAME, plant(TREE), display=DISPLAY).info == told.info
    assert there.push(NAME, plant(TREE)).info == told.info
    less = there.push(NAME, plant(TREE), display={"a.png": "image"})
    assert shown(less)["m/1.png"] == (None, None)
    none = there.push(NAME, plant(TREE), display={})
    assert none.manifest().schema.names == SCHEMA.names
    assert none.info.seq == less.info.seq + 1
    assert none.open("m/1.png").read() == b"mask"
    assert len({v.hash for v in there.get_versions(NAME)}) == 1
    assert there.verify(NAME).whole
    assert sum(found.objects for _, found in there.collect_garbage(NAME, grace=timedelta())) == 0


def test_content_that_was_deleted_comes_back_as_it_was_shown(there: Storage, plant: Plant) -> None:
    first = there.push(NAME, plant(TREE), display=DISPLAY)
    there.delete(first.ref)
    assert shown(there.push(NAME, plant(TREE))) == shown(first)
    there.delete(first.ref)
    other = there.push(NAME, plant(TREE), display={"a.png": "image"})
    assert shown(other)["rows.parquet"] == (None, None)


def test_content_that_was_purged_is_shown_as_it_is_pushed(there: Storage, plant: Plant) -> None:
    first = there.push(NAME, plant(TREE), display=DISPLAY)
    there.delete(first.ref)
    assert list(there.collect_garbage(NAME, grace=timedelta(), dry_run=False))
    again = there.push(NAME, plant(TREE), display={"a.png": "image"})
    assert again.hash == first.hash
    assert shown(again)["a.png"] == ("image", None)
    assert again.open("a.png").read() == b"scan"


@pytest.mark.parametrize(
    ("display", "told"),
    [
        ({"none.png": "image"}, "no file 'none.png'"),
        ({"a.png": "picture"}, "cannot be shown as 'picture'"),
        ({"a.png": "overlay"}, "cannot be shown as 'overlay'"),
        ({"a.png": "overlay of "}, "cannot be shown"),
        ({"a.png": None}, "cannot be shown"),
        ({"a.png": "overlay of none.png"}, "which is no image"),
        ({"a.png": "overlay of a.png"}, "which is no image"),
        ({"a.png": "overlay of m/1.png", "m/1.png": "overlay of a.png"}, "which is no image"),
        ({"a.png": "overlay of rows.parquet", "rows.parquet": "table"}, "which is no image"),
        ({"m/1.png": "overlay of a.png"}, "which is no image"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_the_upload(
    memory: MemoryStore, there: Storage, plant: Plant, display: Any, told: str
) -> None:
    with pytest.raises(ks.InvalidInputError, match=told):
        there.push(NAME, plant(TREE), display=display)
    assert _keys(memory) == []


def test_paths_are_read_as_they_are() -> None:
    odd = "overlay of overlay of x"
    assert parse_display({"a": odd}) == {"a": Shown("overlay", "overlay of x")}
    assert parse_display({"a": "overlay of b\nc"})["a"].overlay_of == "b\nc"


def _rows(*rows: tuple[str, str | None, str | None]) -> pa.Table:
    """A manifest's rows, shown in a way that our own client would not send."""
    bare = Manifest.of(file_info(path, b"") for path, *_ in rows)
    version = bare.version_hash()
    extent = Extent(f"{version}/{rows[0][0]}", 0, 0)
    table = Manifest.of(file_info(path, b"", extent) for path, *_ in rows).table
    columns = zip(*(row[1:] for row in sorted(rows)), strict=True)
    for field, texts in zip(SHOWN, columns, strict=True):
        table = table.append_column(field, text_array(texts))
    return table


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("a", "picture", None)], "'a' has a role that nobody knows"),
        ([("a", "", None)], "nobody knows"),
        ([("a", "overlay", "b"), ("b", None, None)], "overlay of 'b', which is no image"),
        ([("a", "overlay", "none")], "which is no image"),
        ([("a", "overlay", "../../x")], "which is no image"),
        ([("a", "overlay", "a")], "which is no image"),
        ([("a", "overlay", "b"), ("b", "overlay", "a")], "which is no image"),
        ([("a", "overlay", None), ("b", "image", None)], "'a' is an overlay of nothing"),
        ([("a", "image", "b"), ("b", "image", None)], "lies on something"),
        ([("a", None, "b"), ("b", "image", None)], "lies on something"),
    ],
)
def test_a_commit_refuses_what_cannot_be_shown(rows: Any, told: str) -> None:
    with pytest.raises(ks.InvalidManifestError, match=told):
        _commit(MemoryStore(), _rows(*rows))


def test_a_commit_refuses_half_of_the_columns() -> None:
    table = _rows(("a", "image", None))
    with pytest.raises(ks.InvalidManifestError, match="alone"):
        _commit(MemoryStore(), table.drop_columns(["overlay_of"]))
    numbers = pa.array([[1]], pa.list_(pa.int64()))
    odd = table.drop_columns(["role"]).append_column("role", numbers)
    with pytest.raises(ks.InvalidManifestError, match="not a manifest"):
        _commit(MemoryStore(), odd)


def test_columns_of_a_later_time_are_ignored() -> None:
    table = _rows(("a", "image", None)).append_column("later", text_array(["x"]))
    store = MemoryStore()
    version = Storage(LocalBackend(store), "the test")
    _commit(store, table)
    found = version.get_version(str(_NAME))
    assert found.file("a").role == "image"
    assert "later" not in found.manifest().schema.names


def test_overlays_lie_on_images_of_other_row_groups(memory: MemoryStore) -> None:
    """Of a large manifest, read whole and in parts."""

    def files(key: str, target: str) -> Manifest:
        extents = (Extent(f"{key}/x", 0, 0),)
        rows = [
            FileInfo(f"i/{n:06}", 0, _EMPTY, "image/png", extents, "image")
            for n in range(2 * GROUP)
        ]
        rows += [FileInfo("a/mask", 0, _EMPTY, "image/png", extents, "overlay", target)]
        return Manifest.of(rows)

    last = f"i/{2 * GROUP - 1:06}"
    version = files("0" * 64, last).version_hash()
    memory.put(_NAME.object_key(f"{version}/x"), b"")
    with pytest.raises(ks.InvalidManifestError, match="which is no image"):
        commit(memory, _NAME, upload_manifest(memory, _NAME, version, files(version, "i/x")))
    commit(memory, _NAME, upload_manifest(memory, _NAME, version, files(version, last)))
    found = Storage(LocalBackend(memory), "the test").get_version(str(_NAME))
    assert found.info.footer is not None
    assert (found.file("a/mask").overlay_of, found.file(last).role) == (last, "image")
    assert len(found.files()) == 2 * GROUP + 1
    assert display_of(Manifest(found.manifest()))["a/mask"] == Shown("overlay", last)


def test_a_commit_of_the_latest_changes_nothing_unless_it_is_asked_to(memory: MemoryStore) -> None:
    plain = _rows(("a", None, None)).select(SCHEMA.names)
    first = _commit(memory, plain)
    told = _rows(("a", "image", None))
    assert _commit(memory, told) == first  # a race of two pushes: the first one stands
    second = _commit(memory, told, redisplay=True)
    assert second.seq == first.seq + 1
    assert _commit(memory, told, redisplay=True) == second


_NAME = Name("s", Kind.ARTEFACTS, "report")
_EMPTY = file_info("a", b"").sha256


def _commit(store: ObjectStore, table: pa.Table, *, redisplay: bool = False) -> Any:
    version = Manifest(table).version_hash()
    store.put(_NAME.object_key(f"{version}/{table['path'][0].as_py()}"), b"")
    request = upload_manifest(store, _NAME, version, Manifest(table))
    return commit(store, _NAME, msgspec.structs.replace(request, redisplay=redisplay))


def _keys(store: ObjectStore) -> list[str]:
    return [meta["path"] for page in store.list() for meta in page]
