"""Promotion: a sandbox's changes in one commit, or a conflict that says why not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import klarity_storage as ks
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.tables import promote as promote_module
from klarity_storage.tables.location import Locate, TableLocation, delta_options, open_store
from klarity_storage.tables.log_entries import write_entry
from klarity_storage.tables.promote import promote
from klarity_storage.tables.push import push_table
from klarity_storage.tables.sandbox import Sandbox
from klarity_storage.tables.scan import scan
from klarity_storage.tables.snapshot import commit_info, open_snapshot
from tables.conftest import Place
from tables.sandboxes import sandbox_of
from tables.vectors import delete_by_vector

BY = "user:ada"


def rows(location: TableLocation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scan(location).sort("id").to_pylist()
    return found


def ids(location: TableLocation) -> list[int]:
    return [row["id"] for row in rows(location)]


def table(location: TableLocation) -> DeltaTable:
    return DeltaTable(location.uri, storage_options=delta_options(location))


def append(locate: Locate, *numbers: int, by: str = BY) -> None:
    push_table(locate, {"id": list(numbers), "x": [0.5] * len(numbers)}, by=by)


@pytest.fixture
def runs(place: Place) -> Locate:
    locate: Locate = place("runs")
    append(locate, 1, 2, 3)
    append(locate, 4, 5)
    return locate


@pytest.fixture
def sandbox(runs: Locate, tmp_path: Path) -> Sandbox:
    return sandbox_of(runs, tmp_path / "sandboxes")


def change(sandbox: Sandbox) -> None:
    append(lambda: sandbox.table, 6)
    table(sandbox.table).delete("id = 2")
    table(sandbox.table).update(predicate="id = 4", updates={"x": "9.5"})


def test_all_changes_are_one_commit(runs: Locate, sandbox: Sandbox) -> None:
    change(sandbox)

    version = promote(sandbox, runs, by="user:bob", message="mended", info={"ks": ["a"]})

    assert version == 2
    assert open_snapshot(runs()).version() == 2
    assert rows(runs()) == rows(sandbox.table)
    assert ids(runs()) == [1, 3, 4, 5, 6]
    assert ids_at(runs(), 1) == [1, 2, 3, 4, 5]
    info = commit_info(open_store(runs()), 2)
    assert info is not None
    assert (info["userName"], info["userMetadata"], info["ks"]) == ("user:bob", "mended", ["a"])
    # the table goes on: others write and read it
    append(runs, 7)
    assert table(runs()).to_pyarrow_table().num_rows == 6


def ids_at(location: TableLocation, version: int) -> list[int]:
    return [row["id"] for row in scan(location, version=version).sort("id").to_pylist()]


def test_nothing_is_written_before(runs: Locate, sandbox: Sandbox) -> None:
    before = listed(runs())
    change(sandbox)
    assert listed(runs()) == before
    assert ids(sandbox.base) == [1, 2, 3, 4, 5]


def listed(location: TableLocation) -> list[tuple[str, int, str | None]]:
    return sorted(
        (item["path"], item["size"], item["e_tag"])
        for page in obstore.list(open_store(location))
        for item in page
    )


def test_nothing_to_promote(runs: Locate, sandbox: Sandbox) -> None:
    with pytest.raises(ks.InvalidInputError, match="has no changes"):
        promote(sandbox, runs, by=BY)


def test_appends_on_both_sides_do_not_conflict(runs: Locate, sandbox: Sandbox) -> None:
    append(lambda: sandbox.table, 6)
    append(runs, 7)

    promote(sandbox, runs, by=BY)

    assert ids(runs()) == [1, 2, 3, 4, 5, 6, 7]


def test_appended_rows_hold_when_others_delete(runs: Locate, sandbox: Sandbox) -> None:
    append(lambda: sandbox.table, 6)
    table(runs()).delete("id = 1")

    promote(sandbox, runs, by=BY)

    assert ids(runs()) == [2, 3, 4, 5, 6]


def delete_one(sandbox: Sandbox) -> None:
    table(sandbox.table).delete("id = 2")


def merge_one(sandbox: Sandbox) -> None:
    more = pa.table({"id": [6], "x": [1.0]})
    merger = table(sandbox.table).merge(more, "s.id = t.id", source_alias="s", target_alias="t")
    merger.when_not_matched_insert_all().execute()


@pytest.mark.parametrize("mine", [delete_one, merge_one])
@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        (lambda runs: append(runs, 6, by="user:eve"), "rows were changed by user:eve"),
        (lambda runs: table(runs()).delete("id = 5"), "rows were changed"),
    ],
)
def test_what_was_worked_out_from_other_rows_conflicts(
    runs: Locate, sandbox: Sandbox, mine: Any, theirs: Any, says: str
) -> None:
    mine(sandbox)
    theirs(runs)
    before = listed(runs())

    with pytest.raises(ks.ConflictError, match=says) as caught:
        promote(sandbox, runs, by=BY)

    assert "ks table diff" in str(caught.value.hint)
    assert listed(runs()) == before


def test_compacting_conflicts_with_a_change_of_the_same_files_alone(
    runs: Locate, tmp_path: Path
) -> None:
    deletes, appends = (sandbox_of(runs, tmp_path / name) for name in ("one", "two"))
    delete_one(deletes)
    append(lambda: appends.table, 6)
    table(runs()).optimize.compact()

    with pytest.raises(ks.ConflictError, match="were rewritten"):
        promote(deletes, runs, by=BY)
    promote(appends, runs, by=BY)
    assert ids(runs()) == [1, 2, 3, 4, 5, 6]


def test_new_columns_come_in_the_same_commit(runs: Locate, sandbox: Sandbox) -> None:
    more = pa.table({"id": [6], "x": [1.0], "note": ["new"]})
    write_deltalake(sandbox.table.uri, more, mode="append", schema_mode="merge")

    assert promote(sandbox, runs, by=BY) == 2

    assert rows(runs())[-1] == {"id": 6, "x": 1.0, "note": "new"}
    assert rows(runs())[0] == {"id": 1, "x": 0.5, "note": None}


def test_new_columns_on_the_other_side_conflict(runs: Locate, sandbox: Sandbox) -> None:
    append(lambda: sandbox.table, 6)
    more = pa.table({"id": [7], "x": [1.0], "note": ["new"]})
    location = runs()
    write_deltalake(
        location.uri, more, mode="append", schema_mode="merge",
        storage_options=delta_options(location),
    )  # fmt: skip

    with pytest.raises(ks.ConflictError, match="columns or settings"):
        promote(sandbox, runs, by=BY)


def test_a_table_made_anew_is_another_one(on_disk: Place, tmp_path: Path) -> None:
    import shutil

    runs = on_disk("runs")
    append(runs, 1)
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    append(lambda: sandbox.table, 2)
    shutil.rmtree(runs().uri)
    append(runs, 1)

    with pytest.raises(ks.ConflictError, match="another table"):
        promote(sandbox, runs, by=BY)


def test_twice_is_once(runs: Locate, sandbox: Sandbox) -> None:
    append(lambda: sandbox.table, 6)
    assert promote(sandbox, runs, by=BY) == 2
    assert promote(sandbox, runs, by=BY) == 2
    assert ids(runs()) == [1, 2, 3, 4, 5, 6]


def test_what_came_after_a_promotion_is_not_promoted_with_it_again(
    runs: Locate, sandbox: Sandbox
) -> None:
    append(lambda: sandbox.table, 6)
    promote(sandbox, runs, by=BY)
    append(lambda: sandbox.table, 7)
    with pytest.raises(ks.ConflictError, match="1 commits less"):
        promote(sandbox, runs, by=BY)


def test_an_answer_that_was_lost(
    runs: Locate, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(lambda: sandbox.table, 6)
    write = write_entry

    def lost(*args: Any) -> None:
        write(*args)
        raise obstore.exceptions.AlreadyExistsError("a second try meets the first")

    monkeypatch.setattr(promote_module, "write_entry", lost)
    assert promote(sandbox, runs, by=BY) == 2
    assert ids(runs()) == [1, 2, 3, 4, 5, 6]


def test_somebody_who_commits_in_between(
    runs: Locate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends, deletes = (sandbox_of(runs, tmp_path / name) for name in ("one", "two"))
    append(lambda: appends.table, 6)
    delete_one(deletes)
    write = write_entry
    first = threading.Event()

    def late(*args: Any) -> None:
        if not first.is_set():
            first.set()
            append(runs, 7)
        write(*args)

    monkeypatch.setattr(promote_module, "write_entry", late)
    assert promote(appends, runs, by=BY) == 3
    assert ids(runs()) == [1, 2, 3, 4, 5, 6, 7]
    first.clear()
    with pytest.raises(ks.ConflictError, match="rows were changed"):
        promote(deletes, runs, by=BY)


def test_partitions_with_odd_values(place: Place, tmp_path: Path) -> None:
    runs = place("runs")
    location = runs()
    data = pa.table({"id": [1, 2, 3], "city": ["New York/ü%", "a=b", None]})
    if location.s3 is None:
        Path(location.uri).mkdir(parents=True)
    options = delta_options(location)
    write_deltalake(location.uri, data, partition_by=["city"], storage_options=options)
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    table(sandbox.table).update(predicate="id = 1", updates={"id": "4"})
    table(sandbox.table).delete("city is null")

    promote(sandbox, runs, by=BY)

    assert rows(runs()) == [{"id": 2, "city": "a=b"}, {"id": 4, "city": "New York/ü%"}]


def test_rows_that_a_vector_deleted_stay_deleted(place: Place, tmp_path: Path) -> None:
    runs = place("runs")
    push_table(runs, {"id": range(1000)}, by=BY)
    delete_by_vector(runs(), list(range(10)))
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    table(sandbox.table).delete("id >= 12")

    promote(sandbox, runs, by=BY)

    assert ids(runs()) == [10, 11]


def test_keys_that_only_read_are_refused(
    on_s3: Place, keys_for: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = on_s3("runs")
    append(runs, 1)
    sandbox = sandbox_of(runs, tmp_path / "sandboxes")
    append(lambda: sandbox.table, 2)
    reading: S3Credentials = keys_for(runs().name, write=False)
    before = listed(runs())

    with pytest.raises(ks.ForbiddenError):
        promote(sandbox, on_s3("runs", reading), by=BY)

    assert listed(runs()) == before
    assert "panic" not in capfd.readouterr().err
