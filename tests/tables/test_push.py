from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import obstore
import pandas as pd
import pyarrow as pa
import pytest

from klarity_storage.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidDataError,
    InvalidInputError,
    SchemaMismatchError,
    TableNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.location import Locate, open_store
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from klarity_storage.tables.snapshot import commit_info, open_snapshot
from tables.conftest import Place

ROWS = {"id": [1, 2], "name": ["a", None]}
BY = "user:alice"


def rows(locate: Locate) -> dict[str, list[object]]:
    found: dict[str, list[object]] = pa.table(scan(locate())).sort_by("id").to_pydict()
    return found


def test_a_table_is_made_appended_to_and_overwritten(place: Place) -> None:
    runs = place("runs")

    made = push_table(runs, ROWS, by=BY, message="first", description="Runs.", metadata={"x": "y"})
    assert (made.rows, made.description, made.metadata) == (2, "Runs.", {"x": "y"})

    push_table(runs, pd.DataFrame({"name": ["c"], "id": [3]}), by=BY)
    assert rows(runs) == {"id": [1, 2, 3], "name": ["a", None, "c"]}

    before = describe_table(runs()).version
    after = push_table(runs, {"id": [9], "name": ["z"]}, by=BY, mode="overwrite")
    assert after.version == before + 1
    assert rows(runs) == {"id": [9], "name": ["z"]}
    assert pa.table(scan(runs(), version=before)).num_rows == 3


def test_a_commit_says_who_and_why(place: Place) -> None:
    runs = place("runs")
    push_table(runs, ROWS, by=BY, message="the first runs")

    info = commit_info(open_store(runs()), 0)

    assert info is not None
    assert (info["userName"], info["userMetadata"]) == (BY, "the first runs")


def test_a_table_that_exists_may_be_refused(place: Place) -> None:
    runs = place("runs")
    push_table(runs, ROWS, by=BY, mode="error")

    with pytest.raises(AlreadyExistsError, match="exists already"):
        push_table(runs, ROWS, by=BY, mode="error")
    assert describe_table(runs()).version == 0


def test_an_unknown_mode_is_refused(on_disk: Place) -> None:
    with pytest.raises(InvalidInputError, match="'upsert' is not a mode"):
        push_table(on_disk("runs"), ROWS, by=BY, mode="upsert")  # type: ignore[arg-type]


def test_every_column_that_does_not_fit_is_named(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1], "score": [0.5], "name": ["a"]}, by=BY)

    with pytest.raises(SchemaMismatchError) as refused:
        push_table(runs, {"id": ["1"], "scor": [0.5], "name": ["a"]}, by=BY)

    told = str(refused.value)
    assert "no column 'scor' (did you mean 'score'?)" in told
    assert "the data has no column 'score' (double)" in told
    assert "'id' is int64 in the table, but the data has string" in told
    assert describe_table(runs()).version == 0


def test_narrower_types_and_empty_columns_are_widened(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1], "score": [0.5], "tags": [["x"]]}, by=BY)

    narrow = {"id": pa.array([2], pa.int8()), "score": pa.array([1.5], pa.float32())}
    push_table(runs, pa.table({**narrow, "tags": pa.nulls(1)}), by=BY)

    assert rows(runs) == {"id": [1, 2], "score": [0.5, 1.5], "tags": [["x"], None]}


def test_wider_types_are_refused(on_disk: Place) -> None:
    runs = on_disk("runs")
    push_table(runs, pa.table({"id": pa.array([1], pa.int32())}), by=BY)

    with pytest.raises(SchemaMismatchError, match="int32 in the table, but the data has int64"):
        push_table(runs, {"id": [1]}, by=BY)


def test_a_new_table_needs_types(on_disk: Place) -> None:
    with pytest.raises(InvalidDataError, match="'id' holds nothing but nulls"):
        push_table(on_disk("runs"), {"id": [None]}, by=BY)
    with pytest.raises(TableNotFoundError):
        describe_table(on_disk("runs")())


def test_an_empty_frame_makes_an_empty_table(place: Place) -> None:
    runs = place("runs")
    push_table(runs, pa.table({"id": pa.array([], pa.int64())}), by=BY)

    assert describe_table(runs()).rows == 0
    assert rows(runs) == {"id": []}


def ragged(tmp_path: Path) -> Path:
    file = tmp_path / "ragged.csv"
    file.write_text("id,name\n" + "1,a\n" * 3_000_000 + "2\n")
    return file


def test_a_fault_in_the_middle_commits_nothing(place: Place, tmp_path: Path) -> None:
    new, old = place("new"), place("old")
    push_table(old, ROWS, by=BY)

    for runs in (new, old):
        with pytest.raises(InvalidDataError, match="Row 3000002 of"):
            push_table(runs, ragged(tmp_path), by=BY)

    assert describe_table(old()).version == 0
    with pytest.raises(TableNotFoundError):
        open_snapshot(new())


def test_nulls_do_not_get_into_a_column_without(on_disk: Place) -> None:
    from deltalake import DeltaTable

    runs = on_disk("runs")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    DeltaTable.create(runs().uri, schema)

    push_table(runs, {"id": [1]}, by=BY)
    with pytest.raises(InvalidDataError, match="'id' holds nulls"):
        push_table(runs, {"id": [1, None]}, by=BY)
    assert rows(runs) == {"id": [1]}


def at_once(push: Callable[[int], object], times: int) -> list[Exception | None]:
    def attempt(number: int) -> Exception | None:
        try:
            push(number)
        except ConflictError as error:
            return error
        return None

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(attempt, range(times)))


def test_concurrent_appends_all_land(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [-1]}, by=BY)

    assert at_once(lambda number: push_table(runs, {"id": [number]}, by=BY), 8) == [None] * 8

    assert rows(runs) == {"id": [-1, *range(8)]}


def test_appends_that_race_to_make_the_table_all_land(place: Place) -> None:
    runs = place("runs")

    assert at_once(lambda number: push_table(runs, {"id": [number]}, by=BY), 4) == [None] * 4

    assert rows(runs) == {"id": [0, 1, 2, 3]}


def test_one_table_flows_into_another(place: Place) -> None:
    from deltalake import QueryBuilder

    runs, copy = place("runs"), place("copy")
    push_table(runs, ROWS, by=BY)

    push_table(copy, scan(runs()), by=BY)
    push_table(copy, open_snapshot(runs()).to_pyarrow_dataset(), by=BY)
    read = QueryBuilder().register("t", open_snapshot(runs())).execute("SELECT * FROM t")
    push_table(copy, read, by=BY)

    assert rows(copy)["id"] == [1, 1, 1, 2, 2, 2]


def test_one_maker_wins_when_each_wants_to_be_the_first(place: Place) -> None:
    runs = place("runs")

    told = at_once(lambda number: push_table(runs, {"id": [number]}, by=BY, mode="error"), 4)

    assert told.count(None) == 1
    assert describe_table(runs()).rows == 1


def test_an_overwrite_that_raced_another_is_told(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [0]}, by=BY)
    schema = pa.schema([("id", pa.int64())])

    def late() -> Iterator[pa.RecordBatch]:
        push_table(runs, {"id": [1]}, by=BY, mode="overwrite")
        yield pa.record_batch({"id": [2]}, schema=schema)

    slow = pa.RecordBatchReader.from_batches(schema, late())
    with pytest.raises(ConflictError, match="at the same time"):
        push_table(runs, slow, by=BY, mode="overwrite")
    assert rows(runs) == {"id": [1]}


def test_keys_to_read_cannot_write_and_nothing_is_printed(
    on_s3: Place,
    keys_for: Callable[..., S3Credentials],
    capfd: pytest.CaptureFixture[str],
) -> None:
    push_table(on_s3("runs"), ROWS, by=BY)
    name = on_s3("runs")().name
    reader, writer = keys_for(name, write=False), keys_for(name, write=True)

    with pytest.raises(ForbiddenError, match="may not write"):
        push_table(on_s3("runs", reader), ROWS, by=BY)
    with pytest.raises(ForbiddenError, match="may not write"):
        push_table(on_s3("others", writer), ROWS, by=BY)
    push_table(on_s3("runs", writer), ROWS, by=BY, description="Runs.")

    assert describe_table(on_s3("runs", reader)()).rows == 4
    assert capfd.readouterr().err == ""


def test_a_refused_write_leaves_no_object(
    on_s3: Place, keys_for: Callable[..., S3Credentials]
) -> None:
    writer = keys_for(on_s3("runs")().name, write=True)
    push_table(on_s3("runs", writer), ROWS, by=BY)

    listed = obstore.list(open_store(on_s3("runs")())).collect()

    assert not any("_write_check" in item["path"] for item in listed)


def test_wrong_keys_and_a_dead_engine_are_told_apart(on_s3: Place) -> None:
    keys = on_s3("runs")().s3
    assert keys is not None
    wrong = msgspec.structs.replace(keys, session_token="no such token")
    nowhere = msgspec.structs.replace(keys, endpoint="http://127.0.0.1:1")

    with pytest.raises(UnauthenticatedError, match="wrong or have expired"):
        push_table(on_s3("runs", wrong), ROWS, by=BY)
    with pytest.raises(UnavailableError, match="does not answer"):
        push_table(on_s3("runs", nowhere), ROWS, by=BY)


def test_no_secret_is_told(on_s3: Place) -> None:
    keys = on_s3("runs")().s3
    assert keys is not None

    assert keys.secret_access_key not in repr(on_s3("runs")())
