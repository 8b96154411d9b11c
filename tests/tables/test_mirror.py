"""Mirrors: a version of a table on this disk, which readers that are not ours read too."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import klarity_storage as ks
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import Locate, TableLocation, delta_options, open_store
from klarity_storage.tables.mirror import Fetched, mirror_snapshot
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from klarity_storage.tables.snapshot import open_snapshot
from tables.sandboxes import source_of
from tables.vectors import delete_by_vector

BY = "user:ada"


def mirror(
    locate: Locate, target: Path, version: int | None = None, known: tuple[Path, ...] = ()
) -> Fetched:
    source = source_of(locate)
    table = open_snapshot(source.location, version)
    return mirror_snapshot(source, table, target, known=known, link=os.link)


def rows(location: TableLocation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scan(location).sort("id").to_pylist()
    return found


def local(name: str, folder: Path) -> TableLocation:
    return TableLocation(Name("vision", Kind.TABLES, name), str(folder))


def append(locate: Locate, *numbers: int) -> None:
    push_table(locate, {"id": list(numbers)}, by=BY, message="more")


def test_a_mirror_is_the_table(place: Any, tmp_path: Path) -> None:
    runs = place("runs")
    for number in range(5):
        append(runs, number)
    target = tmp_path / "mirror"

    fetched = mirror(runs, target)

    assert rows(local("runs", target)) == [{"id": number} for number in range(5)]
    assert DeltaTable(str(target)).version() == 4
    assert pl.scan_delta(str(target)).collect().height == 5
    assert fetched.files == (5 if runs().s3 else 0)
    log = {file.name for file in (target / "_delta_log").iterdir()}
    assert log == {f"{4:020d}.json", f"{4:020d}.checkpoint.parquet", "_last_checkpoint"}
    with pytest.raises(ks.VersionNotFoundError):
        open_snapshot(local("runs", target), 3)


def test_data_files_are_read_only(on_s3: Any, tmp_path: Path) -> None:
    append(on_s3("runs"), 1)
    mirror(on_s3("runs"), tmp_path / "mirror")
    for file in (tmp_path / "mirror").glob("*.parquet"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o444


def test_a_second_mirror_takes_from_the_first_what_it_has(on_s3: Any, tmp_path: Path) -> None:
    runs = on_s3("runs")
    append(runs, 1)
    append(runs, 2)
    first = mirror(runs, tmp_path / "1")
    append(runs, 3)

    second = mirror(runs, tmp_path / "2", known=(tmp_path / "1",))

    assert (first.files, second.files) == (2, 1)
    assert rows(local("runs", tmp_path / "2")) == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert rows(local("runs", tmp_path / "1")) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("version", [0, 3, 6])
def test_any_version_can_be_mirrored(place: Any, tmp_path: Path, version: int) -> None:
    runs = place("runs")
    for number in range(7):
        append(runs, number)
        if number == 4:
            open_snapshot(runs()).create_checkpoint()

    mirror(runs, tmp_path / "mirror", version)

    assert DeltaTable(str(tmp_path / "mirror")).version() == version
    assert len(rows(local("runs", tmp_path / "mirror"))) == version + 1


def test_a_log_that_begins_with_a_checkpoint(place: Any, tmp_path: Path) -> None:
    runs = place("runs")
    for number in range(4):
        append(runs, number)
    open_snapshot(runs()).create_checkpoint()
    obstore.delete(open_store(runs()), [f"_delta_log/{number:020d}.json" for number in range(3)])
    append(runs, 4)

    mirror(runs, tmp_path / "mirror")

    assert len(rows(local("runs", tmp_path / "mirror"))) == 5


def test_partitions_with_odd_values(place: Any, tmp_path: Path) -> None:
    runs = place("runs")
    data = pa.table({"id": [1, 2, 3, 4], "city": ["New York/ü%", "a=b", None, "x y"]})
    location = runs()
    options = delta_options(location)
    if location.s3 is None:
        Path(location.uri).mkdir(parents=True)
    write_deltalake(location.uri, data, partition_by=["city"], storage_options=options)

    mirror(runs, tmp_path / "mirror")

    assert rows(local("runs", tmp_path / "mirror")) == data.to_pylist()
    found = pl.scan_delta(str(tmp_path / "mirror")).sort("id").collect()
    assert found.to_dicts() == data.to_pylist()


def test_deleted_rows_stay_deleted(place: Any, tmp_path: Path) -> None:
    runs = place("runs")
    push_table(runs, {"id": range(1000)}, by=BY)
    delete_by_vector(runs(), list(range(10)))

    mirror(runs, tmp_path / "mirror")

    assert scan(local("runs", tmp_path / "mirror")).count() == 990
    assert pl.scan_delta(str(tmp_path / "mirror")).collect().height == 990


def test_a_file_of_another_size_is_refused(on_s3: Any, tmp_path: Path) -> None:
    runs = on_s3("runs")
    append(runs, 1)
    store = open_store(runs())
    file = open_snapshot(runs()).file_uris()[0].rpartition("/")[2]
    obstore.put(store, file, bytes(obstore.get(store, file).bytes()) + b"more")

    with pytest.raises(ks.IntegrityError, match="but the table's log says"):
        mirror(runs, tmp_path / "mirror")


def test_a_shallow_clone_is_refused(on_disk: Any, tmp_path: Path) -> None:
    runs = on_disk("runs")
    append(runs, 1)
    log = Path(runs().uri) / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["path"] = f"file:///elsewhere/{line['add']['path']}"
    log.write_text("\n".join(map(json.dumps, lines)))

    with pytest.raises(ks.InvalidDataError, match="lies elsewhere"):
        mirror(runs, tmp_path / "mirror")
