"""Files that do not fit into what a process may use are pushed all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

PUSH = """
import resource, sys
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.push import push_table

def push(file, name):
    place = TableLocation(Name("vision", Kind.TABLES, name), f"{sys.argv[1]}/{name}")
    info = push_table(lambda: place, file, by="user:alice")
    return info.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

small, before = push(sys.argv[2], "small")
large, after = push(sys.argv[3], "large")
print(small, large, before, after)
"""

LINES = 40_000


def csv(number: int) -> str:
    return "".join(f"{i},{'x' * 200}{i}\n" for i in range(number, number + LINES))


def json_lines(number: int) -> str:
    return "".join(f'{{"id":{i},"s":"{"x" * 200}{i}"}}\n' for i in range(number, number + LINES))


def write(file: Path, times: int) -> Path:
    match file.suffix:
        case ".parquet":
            table = pa.table({"id": range(LINES), "s": [f"{'x' * 200}{i}" for i in range(LINES)]})
            with pa.parquet.ParquetWriter(file, table.schema, use_dictionary=False,
                                          compression="none") as writer:  # fmt: skip
                for _ in range(times):
                    writer.write_table(table)
        case ".csv":
            file.write_text("id,s\n" + csv(0) * times)
        case _:
            file.write_text(json_lines(0) * times)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    small = write(tmp_path / f"small.{kind}", 4)
    large = write(tmp_path / f"large.{kind}", 48)
    told = subprocess.run(
        [sys.executable, "-c", PUSH, str(tmp_path), str(small), str(large)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    few, many, before, after = map(int, told.stdout.split())

    assert (few, many) == (4 * LINES, 48 * LINES)
    grown, size = (after - before) << 10, large.stat().st_size - small.stat().st_size
    assert grown < size / 3, f"{grown >> 20} MB more for {size >> 20} MB more"
