from __future__ import annotations

import datetime as dt
import decimal
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from klarity_storage.errors import InvalidDataError
from tables.support import read

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "a.jsonl") -> Path:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write_file


def test_lines_are_rows_and_lacking_fields_are_null(write: Write) -> None:
    text = '{"id": 9007199254740993, "box": {"x": [1, null]}}\n\n{"b": true, "id": -1}'
    wanted = {"id": [2**53 + 1, -1], "box": [{"x": [1, None]}, None], "b": [None, True]}

    assert read(write(text)).to_pydict() == wanted
    assert read(write(gzip.compress(text.encode()), "a.ndjson.gz")).to_pydict() == wanted


def test_a_text_stays_a_text_unless_a_type_says_otherwise(write: Write) -> None:
    file = write('{"t": "2026-01-01T00:00:00Z", "n": {"t": ["2026-01-01"]}, "d": "2026-01-02"}\n')

    assert read(file).to_pylist() == [
        {"t": "2026-01-01T00:00:00Z", "n": {"t": ["2026-01-01"]}, "d": "2026-01-02"}
    ]
    given = read(file, {"t": pa.timestamp("us", "UTC"), "d": "date32"})
    assert given["d"].to_pylist() == [dt.date(2026, 1, 2)]
    assert given.schema.field("t").type == pa.timestamp("us", "UTC")


def test_decimals_come_exactly_when_they_are_asked_for(write: Write) -> None:
    file = write('{"price": 1.10}\n{"price": 2}\n')

    found = read(file, {"price": pa.decimal128(10, 2)})["price"].to_pylist()

    assert found == [decimal.Decimal("1.10"), decimal.Decimal(2)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ('{"a": 1}\nnot json\n', "cannot be read as JSON lines"),
        ("[1, 2]\n", "cannot be read|is a object in one line and a array"),
        ('{"a": 1}\n{"a": "x"}\n', "'a' of .* is a number in one line and a string in another"),
        ('{"a": 1, "a": 2}\n', "the field 'a' twice"),
        ('{"a": 1, "A": 2}\n', "differ in case only"),
        (b'{"a": "\xe9"}\n', "not text in UTF-8"),
        ('{"a": "\u00e9"}\n'.encode("utf-16"), "cannot be read as JSON lines"),
        ('{"a": 18446744073709551615}\n', "'a' of .* whole numbers that a float cannot hold"),
        ('{"a": 9007199254740993}\n{"a": 0.5}\n', "'a' of .* whole numbers that a float cannot"),
        ('{"a": "y"}\n{"a": "' + "x" * (17 << 20) + '"}\n', "longer than 8 MiB"),
    ],
)
def test_what_cannot_be_read_is_named(write: Write, content: str | bytes, told: str) -> None:
    with pytest.raises(InvalidDataError, match=told):
        read(write(content))


def test_a_field_that_comes_late_is_refused(write: Write) -> None:
    line = '{"a": "' + "x" * 1000 + '"}\n'

    with pytest.raises(InvalidDataError, match="a field that its first 8 MiB do not have"):
        read(write(line * 10_000 + '{"a": "y", "b": 1}\n'))


def test_a_type_for_no_field_is_refused(write: Write) -> None:
    with pytest.raises(InvalidDataError, match=r"no field 'aa' \(did you mean 'a'"):
        read(write('{"a": 1}\n'), {"aa": "int64"})
