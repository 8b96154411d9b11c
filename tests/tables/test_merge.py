from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from klarity_storage.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from klarity_storage.tables import merge
from klarity_storage.tables.describe import describe_table
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.conftest import Place

BY = "user:alice"
NAN = float("nan")


def rows(place: Place, *sort: str) -> list[dict[str, object]]:
    table = pa.table(scan(place("runs")()))
    found: list[dict[str, object]] = table.sort_by([(key, "ascending") for key in sort]).to_pylist()
    return found


def test_rows_are_updated_by_their_keys_and_the_others_inserted(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1, 2], "score": [0.5, 1.5], "tags": [["a"], None]}, by=BY)

    info = push_table(
        runs, {"id": [2, 3], "score": [None, 2.5], "tags": [[], ["b"]]},
        by=BY, mode="merge", keys=["id"],
    )  # fmt: skip

    assert info.version == 1
    assert rows(place, "id") == [
        {"id": 1, "score": 0.5, "tags": ["a"]},
        {"id": 2, "score": None, "tags": []},
        {"id": 3, "score": 2.5, "tags": ["b"]},
    ]


def test_several_keys_tell_rows_apart_and_names_may_be_odd(on_disk: Place) -> None:
    runs = on_disk("runs")
    day = [dt.date(2026, 1, 1)] * 2
    push_table(runs, {"Run id": ["a", "b"], "a`b.\"c'": day, "v": [1, 2]}, by=BY)

    push_table(
        runs, {"Run id": ["a", "c"], "a`b.\"c'": day, "v": [7, 8]},
        by=BY, mode="merge", keys=["Run id", "a`b.\"c'"],
    )  # fmt: skip

    assert [row["v"] for row in rows(on_disk, "Run id")] == [7, 2, 8]


def test_a_merge_makes_a_table_that_is_not_there(place: Place) -> None:
    info = push_table(place("runs"), {"id": [1, 2]}, by=BY, mode="merge", keys=["id"])

    assert (info.version, info.rows) == (0, 2)


@pytest.mark.parametrize(
    ("data", "keys", "told"),
    [
        ({"id": [1, 2, 2], "n": [1, 1, 1]}, ["id"], r"2 rows with one key, for example id='2'"),
        ({"id": [1, None], "n": [1, 5]}, ["id"], r"'id' is null in a row: id='None', n='5'"),
        ({"id": [1], "n": [1]}, ["idd"], r"no column 'idd' to merge by \(did you mean 'id'"),
    ],
)
def test_keys_that_do_not_tell_rows_apart_are_refused_with_an_example(
    on_disk: Place, data: dict[str, list[int]], keys: list[str], told: str
) -> None:
    runs = on_disk("runs")
    push_table(runs, {"id": [1], "n": [0]}, by=BY)

    with pytest.raises(InvalidDataError, match=told):
        push_table(runs, data, by=BY, mode="merge", keys=keys)

    assert describe_table(runs()).version == 0


def test_floats_are_no_keys(on_disk: Place) -> None:
    with pytest.raises(InvalidDataError, match="only what is exact can be a key"):
        push_table(on_disk("runs"), {"x": [NAN]}, by=BY, mode="merge", keys=["x"])


def test_keys_belong_to_a_merge_and_a_merge_to_keys(on_disk: Place) -> None:
    for mode, keys in (("merge", []), ("append", ["id"])):
        with pytest.raises(InvalidInputError, match="merge takes keys"):
            push_table(on_disk("runs"), {"id": [1]}, by=BY, mode=mode, keys=keys)  # type: ignore[arg-type]


def test_a_merge_puts_no_null_where_the_data_says_nothing(on_disk: Place) -> None:
    runs = on_disk("runs")
    push_table(runs, {"id": [1], "name": ["a"]}, by=BY)

    with pytest.raises(SchemaMismatchError, match="no column 'name'"):
        push_table(runs, {"id": [1], "n": [1]}, by=BY, mode="merge", keys=["id"], evolve=True)
    push_table(
        runs, {"id": [1, 2], "name": ["b", "c"], "n": [NAN, 2.0]},
        by=BY, mode="merge", keys=["id"], evolve=True,
    )  # fmt: skip

    first, second = rows(on_disk, "id")
    assert (first["name"], first["n"] != first["n"]) == ("b", True)  # NaN is not itself
    assert second == {"id": 2, "name": "c", "n": 2.0}


def test_a_file_that_lacks_a_field_puts_no_null_there_either(
    on_disk: Place, tmp_path: Path
) -> None:
    runs, file = on_disk("runs"), tmp_path / "a.jsonl"
    push_table(runs, {"id": [1], "name": ["a"]}, by=BY)
    file.write_text('{"id": 1}\n')

    for mode, keys in (("merge", ["id"]), ("append", [])):
        with pytest.raises(SchemaMismatchError, match="no column 'name'"):
            push_table(runs, file, by=BY, mode=mode, keys=keys)  # type: ignore[arg-type]

    assert rows(on_disk, "id") == [{"id": 1, "name": "a"}]


def test_a_large_source_streams(on_disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "_IN_MEMORY", 0)
    runs = on_disk("runs")
    push_table(runs, {"id": list(range(100_000))}, by=BY)

    push_table(runs, {"id": list(range(50_000, 200_000))}, by=BY, mode="merge", keys=["id"])

    assert describe_table(runs()).rows == 200_000


def test_what_was_set_aside_is_gone_afterwards(
    on_disk: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    push_table(on_disk("runs"), {"id": [1]}, by=BY, mode="merge", keys=["id"])
    with pytest.raises(InvalidDataError):
        push_table(on_disk("runs"), {"id": [1, 1]}, by=BY, mode="merge", keys=["id"])

    assert list(aside.iterdir()) == []
