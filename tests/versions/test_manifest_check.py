"""Columns are refused for what one path, hash or key is refused for, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import klarity_storage as ks
from klarity_storage.layout import check_object, check_path
from klarity_storage.versions.hashing import digest_bytes
from klarity_storage.versions.manifest import SCHEMA
from klarity_storage.versions.manifest_check import check_rows, object_ends

SEGMENTS = st.sampled_from(
    ["a", "b.c", ".", "..", "...", "", "_ks", "_ks2", "é", "x" * 250, "x" * 251, "é" * 126, "\\",
     "a\nb", "\x7f", "\x9f", "\xa0", " ", "pack-" + "0" * 64 + ".bin", "0" * 64]
)  # fmt: skip
PATHS = st.one_of(st.lists(SEGMENTS, max_size=7).map("/".join), st.text(max_size=20))


def _row(path: str, *objects: str) -> dict[str, Any]:
    return {
        "path": path,
        "size": 0,
        "sha256": digest_bytes(b"").sha256,
        "media_type": "x/y",
        "extents": [{"object": key, "offset": 0, "length": 0} for key in objects],
    }


def _refusal(check: Any, *arguments: Any) -> str | None:
    try:
        check(*arguments)
    except ks.InvalidInputError as error:
        return str(error)
    return None


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


@given(PATHS.filter(_encodable))
@example("a/" * 600 + "b")
def test_a_path_is_refused_as_when_it_is_alone(path: str) -> None:
    table = pa.Table.from_pylist([_row(path)], SCHEMA)
    assert _refusal(check_rows, table) == _refusal(check_path, path)


@given(st.one_of(PATHS, PATHS.map(lambda path: f"{'0' * 64}/{path}")).filter(_encodable))
def test_an_object_is_refused_as_when_it_is_alone(key: str) -> None:
    table = pa.Table.from_pylist([_row("a", key)], SCHEMA)
    assert _refusal(check_rows, table) == _refusal(check_object, key)


@given(
    st.sets(st.sampled_from(["a", "a/b", "a-b", "a/b/c", "a/bc", "a/b/c/d/e", "b/a"]), min_size=1)
)
def test_a_file_that_is_a_folder_is_refused(paths: set[str]) -> None:
    table = pa.Table.from_pylist([_row(path) for path in sorted(paths)], SCHEMA)
    clash = any(other.startswith(f"{path}/") for path in paths for other in paths)
    assert bool(_refusal(check_rows, table)) == clash


def test_rows_are_checked_over_the_borders_of_their_chunks() -> None:
    rows = [_row(f"{i:03}") for i in range(10)]
    tables = [pa.Table.from_pylist([row], SCHEMA) for row in [*rows, rows[0]]]
    with pytest.raises(ks.InvalidManifestError, match="'000' is out of order"):
        check_rows(pa.concat_tables(tables))
    check_rows(pa.concat_tables(tables[:-1]))


def test_objects_end_where_their_last_extent_ends() -> None:
    one, two = f"{'0' * 64}/a", f"{'1' * 64}/b"
    rows = [_row("a", one), _row("b", two, one)]
    rows[0]["extents"][0] |= {"offset": 5, "length": 3}
    rows[1]["extents"][1] |= {"offset": 1, "length": 6}
    assert object_ends(pa.Table.from_pylist(rows, SCHEMA)) == {one: 8, two: 0}


def test_a_manifest_is_written_and_read_without_pandas() -> None:
    """It is installed where data frames are used, and takes half a second to load."""
    program = """
import sys
from klarity_storage.versions.manifest import Extent, FileInfo, Manifest, decode_manifest
from klarity_storage.versions.manifest_check import object_ends
file = FileInfo("a", 1, 64 * "0", "x/y", (Extent(64 * "1" + "/a", 0, 1),))
manifest = decode_manifest(Manifest.of([file]).encode()[1], "it")
object_ends(manifest.table)
assert [file] == list(manifest) == [manifest.find("a")]
assert manifest.version_hash() and manifest.total_bytes == 1 and "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
