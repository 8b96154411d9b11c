"""Columns that come later, and types that stay."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from klarity_storage.errors import (
    InvalidDataError,
    SchemaMismatchError,
)
from klarity_storage.tables.push import push_table
from klarity_storage.tables.scan import scan
from tables.changes import BY, NAN, column
from tables.conftest import Place


def test_columns_come_when_asked_for_and_others_may_be_lacking(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1], "name": ["a"], "box": [{"x": 1}]}, by=BY)
    more = {"id": [2], "x": [NAN], "box": [{"x": 2, "y": "b"}]}

    with pytest.raises(SchemaMismatchError, match="no column 'x'") as refused:
        push_table(runs, more, by=BY)
    assert "evolve=True" in str(refused.value.hint)
    push_table(runs, more, by=BY, evolve=True)

    first, second = pa.table(scan(runs())).sort_by("id").to_pylist()
    assert first == {"id": 1, "name": "a", "x": None, "box": {"x": 1, "y": None}}
    assert (second["name"], second["box"]) == (None, {"x": 2, "y": "b"})
    with pytest.raises(InvalidDataError, match="differ in case only"):
        push_table(runs, {"id": [3], "NAME": ["a"]}, by=BY, evolve=True)
    with pytest.raises(InvalidDataError, match="'z' holds nothing but nulls"):
        push_table(runs, {"id": [3], "z": [None]}, by=BY, evolve=True)


def test_a_column_keeps_its_type_until_all_of_it_is_overwritten(place: Place) -> None:
    runs = place("runs")
    push_table(runs, pa.table({"id": pa.array([1], pa.int32())}), by=BY)

    with pytest.raises(SchemaMismatchError, match="int32 in the table") as refused:
        push_table(runs, {"id": [2**40]}, by=BY, evolve=True)
    assert "overwrite" in str(refused.value.hint)
    push_table(runs, {"id": [2**62], "y": ["a"]}, by=BY, mode="overwrite", evolve=True)

    assert column(runs) == [2**62]
    assert column(runs, "y") == ["a"]


def test_text_files_take_the_types_of_the_table(on_disk: Place, tmp_path: Path) -> None:
    runs, file = on_disk("runs"), tmp_path / "a.csv"
    file.write_text("zip,score\n00123,0.5\n")
    push_table(runs, file, by=BY, types={"zip": "string"})

    file.write_text("zip,score\n00456,7\n")
    push_table(runs, file, by=BY)
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"zip": "2026-01-01", "score": 1}\n')
    push_table(runs, lines, by=BY)
    file.write_text("zip,score\n00456,many\n")
    with pytest.raises(InvalidDataError, match=r"'score' of .* not of its type.*row 2"):
        push_table(runs, file, by=BY)

    assert column(runs, "zip") == ["00123", "00456", "2026-01-01"]
    assert column(runs, "score") == [0.5, 7.0, 1.0]
