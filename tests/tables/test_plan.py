from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st

from klarity_storage.tables.plan import UnknownPlanError, scan_files, with_paths

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for number in range(3):
        table = pa.table({"name": [str(number)], "id": [number]})
        pa.parquet.write_table(table, tmp_path / f"{number}.parquet")
    return [f"file://{tmp_path / f'{number}.parquet'}" for number in range(3)]


def test_one_scan_reads_exactly_the_named_files(files: list[str]) -> None:
    frame = scan_files(SessionContext(), files[1:], SCHEMA)

    assert sorted(frame.to_pydict()["id"]) == [1, 2]
    assert frame.schema().equals(SCHEMA)
    assert frame.execution_plan().display_indent().count("DataSourceExec") == 1


def plan_of(files: list[str]) -> bytes:
    context = SessionContext()
    frame = context.read_parquet(files[0], schema=SCHEMA)
    return bytes(frame.logical_plan().to_bytes(context))


def test_only_the_paths_of_a_plan_are_changed(files: list[str]) -> None:
    plan = plan_of(files)

    assert sorted(with_paths(plan, files[:1])) == sorted(plan)
    longer = with_paths(plan, files)
    assert all(file.encode() in longer for file in files)


def test_a_plan_of_another_read_is_refused(files: list[str]) -> None:
    with pytest.raises(UnknownPlanError):
        with_paths(plan_of(files), files[1:])


def test_a_plan_that_is_more_than_a_scan_is_refused(files: list[str]) -> None:
    context = SessionContext()
    filtered = context.read_parquet(files[0], schema=SCHEMA).filter("id = 1")

    with pytest.raises(UnknownPlanError):
        with_paths(bytes(filtered.logical_plan().to_bytes(context)), files)


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(UnknownPlanError):
        with_paths(garbage, ["file:///a.parquet"])


def test_a_plan_that_was_cut_off_is_refused(files: list[str]) -> None:
    plan = plan_of(files)

    for end in range(len(plan)):
        with pytest.raises(UnknownPlanError):
            with_paths(plan[:end], files[:1])
