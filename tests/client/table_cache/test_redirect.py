"""A table that is read from files of one's own."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import write_deltalake

import klarity_storage as ks
from table_cache_fixture import ids, rows

pytestmark = pytest.mark.real


def test_a_redirected_table_is_read_from_its_file(
    owned: ks.Storage, runs: str, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "klarity_storage")
    fixture = here / "fixture.parquet"
    pl.DataFrame({"id": [7, 8]}).write_parquet(fixture)
    (here / ".safenai").write_text(
        f'[storage.cache."{runs}"]\nmode = "redirect"\npath = "fixture.parquet"\n'
    )
    assert ids(owned, runs) == [7, 8]
    assert owned.get_data_table(runs).info.rows == 2
    assert [record.message for record in caplog.records] == [
        f"{runs} is read from {fixture} ({here / '.safenai'})."
    ]
    for write in (
        lambda: owned.push_data_frame(runs, rows(9)),
        lambda: owned.delete_rows(runs, "true"),
        lambda: owned.set_comments(runs, {"id": "a number"}),
        lambda: owned.drop_table(runs, dry_run=False),
    ):
        with pytest.raises(ks.InvalidInputError, match="redirected"):
            write()
    for binaries in (
        lambda: owned.push_raw_binary(runs, 1, [("a.txt", b"a")]),
        lambda: owned.delete_raw_binary(runs, 1),
    ):
        with pytest.raises(ks.InvalidInputError, match="binaries have no other place"):
            binaries()
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.cache_table(runs)

    (here / "fixture.csv").write_text("id,x\n1,0.5\n")
    told = (here / ".safenai").read_text()
    (here / ".safenai").write_text(told.replace("parquet", "csv"))
    assert ids(owned, runs) == [1]
    (here / "fixture.csv").write_text("id,x\n1,0.5\n2,0.5\n")
    assert ids(owned, runs) == [1, 2]
    (here / "fixture.csv").unlink()
    with pytest.raises(ks.ConfigurationError, match="not there"):
        owned.get_data_frame(runs)
    (here / ".safenai").unlink()
    assert ids(owned, runs) == [1, 2, 3]


def test_a_redirected_table_is_read_from_a_delta_folder(
    owned: ks.Storage, runs: str, here: Path
) -> None:
    """As it is whenever it is asked, with its versions; and nothing is written into it."""
    write_deltalake("fixture", pa.table({"id": [7], "p": ["a"]}), partition_by=["p"])
    (here / ".safenai").write_text(
        f'[storage.cache."{runs}"]\nmode = "redirect"\npath = "fixture"\n'
    )
    assert ids(owned, runs) == [7]
    write_deltalake("fixture", pa.table({"id": [8], "p": ["b"]}), mode="append")

    assert ids(owned, runs) == [7, 8]
    assert ids(owned, runs, version=0) == [7]
    assert owned.get_data_table(runs).info.partitions == ["p"]
    space, _, name = runs.split("/")
    assert owned.sql(f"select p from {space}.{name} where id = 8").to_pydict() == {"p": ["b"]}
    (cached,) = owned.get_cached_tables()
    assert (cached.mode, cached.folder) == ("redirect", str(here / "fixture"))
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.push_data_frame(runs, rows(9))
    with pytest.raises(ks.InvalidInputError, match="redirected"):
        owned.optimize(runs)
    assert sorted(file.name for file in (here / "fixture").iterdir()) == [
        "_delta_log",
        "p=a",
        "p=b",
    ]

    (here / "fixture").rename(here / "gone")
    with pytest.raises(ks.ConfigurationError, match="not there"):
        owned.get_data_frame(runs)
    (here / "fixture").mkdir()
    with pytest.raises(ks.TableNotFoundError):
        owned.get_data_frame(runs)
