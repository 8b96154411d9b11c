"""Which rows differ between a sandbox and what it began as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datafusion import DataFrame
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

import klarity_storage as ks
from klarity_storage.tables.location import Locate
from klarity_storage.tables.push import push_table
from klarity_storage.tables.row_diff import RowDiff
from klarity_storage.tables.sandbox import Sandbox
from tables.conftest import Place
from tables.sandboxes import sandbox_of

BY = "user:ada"
NAN = float("nan")


def rows(frame: DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = frame.to_pylist()
    return sorted(found, key=repr)


def begun(locate: Locate, folder: Path, data: Any) -> Sandbox:
    push_table(locate, data, by=BY)
    return sandbox_of(locate, folder / "sandboxes")


def test_rows_are_added_removed_and_changed(on_disk: Place, tmp_path: Path) -> None:
    sandbox = begun(on_disk("runs"), tmp_path, {"id": [1, 2, 3, 4], "x": [0.1, 0.2, 0.3, NAN]})
    push_table(lambda: sandbox.table, {"id": [5], "x": [0.5]}, by=BY)
    DeltaTable(sandbox.table.uri).delete("id = 2")
    DeltaTable(sandbox.table.uri).update(predicate="id = 3", updates={"x": "9.5"})

    plain, keyed = RowDiff(sandbox), RowDiff(sandbox, ["id"])

    told = plain.summary()
    assert (told.added, told.removed, told.changed) == (2, 2, 0)
    assert (told.base, told.commits) == (0, 3)
    assert rows(plain.added()) == [{"id": 3, "x": 9.5}, {"id": 5, "x": 0.5}]
    assert rows(plain.removed()) == [{"id": 2, "x": 0.2}, {"id": 3, "x": 0.3}]
    assert rows(plain.changed()) == []
    told = keyed.summary()
    assert (told.added, told.removed, told.changed) == (1, 1, 1)
    assert rows(keyed.added()) == [{"id": 5, "x": 0.5}]
    assert rows(keyed.removed()) == [{"id": 2, "x": 0.2}]
    assert rows(keyed.changed()) == [
        {"before": {"id": 3, "x": 0.3}, "after": {"id": 3, "x": 9.5}},
    ]


def test_no_change_is_none(on_disk: Place, tmp_path: Path) -> None:
    sandbox = begun(on_disk("runs"), tmp_path, {"id": [1]})
    DeltaTable(sandbox.table.uri).update(updates={"id": "id"})
    told = RowDiff(sandbox, ["id"]).summary()
    assert (told.added, told.removed, told.changed) == (0, 0, 0)


ROWS = st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, "a", "b"])))


@given(ROWS, ROWS)
def test_duplicates_and_nulls_count(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any
) -> None:
    from collections import Counter

    from klarity_storage.layout import Kind, Name
    from klarity_storage.tables.location import TableLocation

    folder = tmp_path_factory.mktemp("table")
    name = Name("vision", Kind.TABLES, "runs")

    def data(found: list[tuple[Any, Any]]) -> pa.Table:
        return pa.table(
            {
                "a": pa.array([a for a, _ in found], pa.int64()),
                "b": pa.array([b for _, b in found], pa.string()),
            }
        )

    location = TableLocation(name, str(folder / str(name)))
    sandbox = begun(lambda: location, folder, data(before))
    write_deltalake(sandbox.table.uri, data(after), mode="overwrite")

    diff = RowDiff(sandbox)

    def counted(frame: DataFrame) -> Counter[tuple[Any, Any]]:
        return Counter((row["a"], row["b"]) for row in frame.to_pylist())

    assert counted(diff.added()) == Counter(after) - Counter(before)
    assert counted(diff.removed()) == Counter(before) - Counter(after)
    told = diff.summary()
    assert (told.added, told.removed) == (
        (Counter(after) - Counter(before)).total(),
        (Counter(before) - Counter(after)).total(),
    )


def test_only_files_that_differ_are_read(
    on_disk: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = on_disk("runs")
    for number in range(5):
        push_table(runs, {"id": [number]}, by=BY)
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    push_table(lambda: sandbox.table, {"id": [5]}, by=BY)
    DeltaTable(sandbox.table.uri).delete("id = 1")
    kept = {path.name for path in Path(sandbox.table.uri).glob("*.parquet")}
    touched = {Path(uri).name for uri in set(DeltaTable(sandbox.base.uri).file_uris())} & kept
    for name in sorted(touched):
        base = Path(sandbox.base.uri) / name
        if not _holds(base, 1):
            base.unlink()  # whoever reads it fails
            (Path(sandbox.table.uri) / name).unlink()

    told = RowDiff(sandbox).summary()

    assert (told.added, told.removed) == (1, 1)


def _holds(file: Path, number: int) -> bool:
    import pyarrow.parquet as pq

    return number in pq.ParquetFile(file).read()["id"].to_pylist()


def test_new_columns_are_null_in_what_was_there(on_disk: Place, tmp_path: Path) -> None:
    sandbox = begun(on_disk("runs"), tmp_path, {"id": [1, 2]})
    more = pa.table({"id": [1, 3], "note": ["one", "three"]})
    write_deltalake(sandbox.table.uri, more, mode="overwrite", schema_mode="overwrite")

    diff = RowDiff(sandbox, ["id"])

    told = diff.summary()
    assert (told.added, told.removed, told.changed) == (1, 1, 1)
    assert told.new_columns == ["note"]
    assert rows(diff.changed()) == [
        {"before": {"id": 1, "note": None}, "after": {"id": 1, "note": "one"}}
    ]
    assert rows(diff.removed()) == [{"id": 2, "note": None}]


def test_partitioned_tables_and_odd_names(on_disk: Place, tmp_path: Path) -> None:
    runs = on_disk("runs")
    data = pa.table({"a \"b'": [1, 2, 2], "city": ["x", "y z", None], "l": [[1], [2], None]})
    Path(runs().uri).mkdir(parents=True)
    write_deltalake(runs().uri, data, partition_by=["city"])
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    DeltaTable(sandbox.table.uri).delete("city = 'x'")
    write_deltalake(sandbox.table.uri, data.slice(1, 1), mode="append")

    diff = RowDiff(sandbox)

    assert rows(diff.removed()) == [{"a \"b'": 1, "city": "x", "l": [1]}]
    assert rows(diff.added()) == [{"a \"b'": 2, "city": "y z", "l": [2]}]
    keyed = RowDiff(sandbox, ["a \"b'", "city"])
    assert rows(keyed.changed()) == []
    assert rows(keyed.removed()) == rows(diff.removed())


def test_keys_that_do_not_tell_rows_apart(on_disk: Place, tmp_path: Path) -> None:
    sandbox = begun(on_disk("runs"), tmp_path, {"id": [1], "x": [1]})
    push_table(lambda: sandbox.table, {"id": [2, 2], "x": [1, 2]}, by=BY)
    with pytest.raises(ks.InvalidDataError, match="the same id"):
        RowDiff(sandbox, ["id"]).summary()


def test_keys_that_are_no_columns(on_disk: Place, tmp_path: Path) -> None:
    sandbox = begun(on_disk("runs"), tmp_path, {"id": [1], "x": [1]})
    with pytest.raises(ks.InvalidQueryError, match="did you mean 'id'"):
        RowDiff(sandbox, ["idd"])
