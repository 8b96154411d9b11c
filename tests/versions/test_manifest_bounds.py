"""Small files that stand for very much: refused before they are unfolded."""

from __future__ import annotations

import io
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from klarity_storage.errors import InvalidManifestError
from klarity_storage.versions.manifest import SCHEMA, Extent, FileInfo, Manifest
from klarity_storage.versions.survey import survey_manifest

EXTENT = SCHEMA.field("extents").type.value_type


def repeated(text: str, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.nulls(times, pa.int32()).fill_null(0), pa.array([text])
    )


def rows(
    paths: pa.Array, *, sha256: str = "0" * 64, media_type: str = "a/b", extents: int = 0
) -> pa.Table:
    number = len(paths)
    keys = repeated("0" * 64 + "/x", number * extents).cast(pa.string())
    zeros = pa.nulls(number * extents, pa.int64()).fill_null(0)
    starts = pa.array(range(0, number * extents + 1, extents) if extents else [0] * (number + 1))
    columns = [
        paths.cast(pa.string()),
        pa.nulls(number, pa.int64()).fill_null(0),
        repeated(sha256, number).cast(pa.string()),
        repeated(media_type, number).cast(pa.string()),
        pa.ListArray.from_arrays(
            starts.cast(pa.int32()),
            pa.StructArray.from_arrays([keys, zeros, zeros], fields=list(EXTENT)),
            type=SCHEMA.field("extents").type,
        ),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def file_of(table: pa.Table, groups: int = 1) -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table, row_group_size=len(table))
    return sink.getvalue()


def numbered(number: int, template: str = "{:08d}") -> pa.Array:
    return pa.array(template.format(at) for at in range(number))


def refused(data: bytes, most: int) -> str:
    """Why a manifest is refused, which takes no more than ``most`` bytes of Arrow's memory."""
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidManifestError) as caught:
            survey_manifest(data, "It")
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    assert pool.bytes_allocated() - before < most
    return caught.value.message


MB = 1 << 20


def test_a_row_group_of_too_many_files() -> None:
    data = file_of(rows(repeated("x" * 200, 300_000)))
    assert len(data) < MB
    assert "row group 0 has 300000 files" in refused(data, MB)


def test_one_path_a_million_times() -> None:
    data = file_of(rows(repeated("x" * 1000, 100_000)), groups=20)
    assert len(data) < MB
    assert "listed twice" in refused(data, 20 * MB)


def test_the_same_paths_in_every_row_group() -> None:
    data = file_of(rows(numbered(1000, "x" * 900 + "{:08d}")), groups=300)
    assert "out of order or listed twice" in refused(data, 20 * MB)


@pytest.mark.parametrize("column", ["path", "sha256", "media_type"])
def test_a_text_that_is_long_a_thousand_times(column: str) -> None:
    long = "x" * 200_000
    table = (
        rows(pa.array([long])) if column == "path" else rows(numbered(1000), **{column: long})  # type: ignore[arg-type]
    )
    data = file_of(table)
    assert len(data) < MB
    assert f"a text in '{column}' has 200000 bytes" in refused(data, 20 * MB)


def test_extents_without_end() -> None:
    data = file_of(rows(numbered(100), extents=60_000))
    assert "too many extents" in refused(data, MB)


def test_what_an_earlier_program_wrote_is_taken() -> None:
    table = rows(numbered(50_000))
    assert survey_manifest(file_of(table), "It").files == 50_000


def test_all_is_as_it_was_for_a_manifest_of_ours() -> None:
    files = [
        FileInfo(f"ü/{at:05d}", 5, f"{at:064x}", "image/png", (Extent("0" * 64 + "/x", at, 5),))
        for at in range(25_000)
    ]
    manifest = Manifest.of(files)
    found = survey_manifest(manifest.encode()[1], "It")
    assert (found.version, found.files) == (manifest.version_hash(), 25_000)
    assert found.ends == {"0" * 64 + "/x": 25_004}
