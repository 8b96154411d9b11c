"""Tables against the engines below them: queries, a mirror, a push, a page, a long log."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import deltalake
import pyarrow as pa

import klarity_storage as ks
from measure import Row, Run
from place import Place
from table_data import COMMITS, FILES, ROWS, batch, queries

TABLE = "bench/tables/big"
WORK = Path(__file__).with_name("table_work.py")


@dataclass(frozen=True)
class Contest:
    """Klarity Storage and others at the same operations."""

    title: str
    contenders: dict[str, tuple[str, str]]
    """By the name in the report: the worker, and in which folder it is (``here`` or ``mirror``)."""
    operations: dict[str, dict[str, str]] = field(default_factory=dict)
    """By the name in the report: what each worker calls it."""
    most: float = 1.1
    """How many times as long as each other Klarity Storage may take."""


def contests() -> list[Contest]:
    names = [query.name for query in queries(1)]
    asked = {
        name: dict.fromkeys(("ks", "QueryBuilder", "Polars", "DataFusion"), name) for name in names
    }
    return [
        Contest(
            "a table on S3",
            {
                "ks": ("klarity_storage", "here"),
                "QueryBuilder": ("query_builder", "here"),
                "Polars": ("polars", "here"),
            },
            asked,
        ),
        Contest(
            "its mirror on this disk",
            {"ks": ("klarity_storage", "mirror"), "DataFusion": ("datafusion", "here")},
            asked,
        ),
        Contest(
            "writing",
            {
                "ks": ("klarity_storage", "here"),
                "PyArrow": ("pyarrow", "here"),
                "PyArrow, ZSTD": ("pyarrow", "here"),
            },
            {
                "push of 4 M rows": {
                    "ks": "push",
                    "PyArrow": "push",
                    "PyArrow, ZSTD": "push as ZSTD",
                }
            },
            1.15,
        ),
        Contest(
            "a page of 100 rows",
            {"ks": ("server", "here"), "in process": ("klarity_storage", "here")},
            {"page": {"ks": "page", "in process": "page"}},
            3,
        ),
        Contest(
            "a log of 1,000 commits",
            {"ks": ("klarity_storage", "here"), "DeltaTable": ("query_builder", "here")},
            {
                "open to read": {"ks": "open", "DeltaTable": "open"},
                "describe": {"ks": "describe", "DeltaTable": "open"},
            },
            1.2,
        ),
    ]


def measure_tables(
    place: Place, *, scale: float, rounds: int
) -> Iterator[tuple[Contest, list[Row]]]:
    """Every contest: rounds outside, operations within, contenders innermost."""
    with _made(place, scale) as env:
        for contest in contests():
            rows = {name: Row(name) for name in contest.operations}
            for _ in range(rounds):
                _round(contest, rows, place, env)
            yield contest, list(rows.values())


def _round(contest: Contest, rows: dict[str, Row], place: Place, env: dict[str, str]) -> None:
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(_Worker(worker, place.work / folder, env))
            for name, (worker, folder) in contest.contenders.items()
        }
        for operation, calls in contest.operations.items():
            answers = []
            for name, worker in workers.items():
                subprocess.run(["sync"], check=True)
                run, answer = worker.run(calls[name])
                rows[operation].runs.setdefault(name, []).append(run)
                answers.append(answer)
            if contest.title != "a page of 100 rows":  # any hundred rows will do
                _check_same(operation, answers)


def _check_same(operation: str, answers: list[list[dict[str, Any]] | None]) -> None:
    told = [
        None if rows is None else sorted(repr(list(row.values())) for row in rows)
        for rows in answers
    ]
    if any(rows != told[0] for rows in told):
        sys.exit(f"The answers to {operation!r} differ:\n" + "\n".join(str(t)[:300] for t in told))


class _Worker:
    """One contender in a process of its own, loaded and waiting."""

    def __init__(self, worker: str, folder: Path, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORK, worker],
            cwd=folder,
            env=os.environ | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def run(self, operation: str) -> tuple[Run, list[dict[str, Any]] | None]:
        assert self._process.stdin
        self._process.stdin.write(f"{operation}\n")
        self._process.stdin.flush()
        said = json.loads(self._read())
        return Run(said["seconds"], said["memory"]), said["rows"]

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"A worker ended with {self._process.wait()}.")
        return line


@contextmanager
def _made(place: Place, scale: float) -> Iterator[dict[str, str]]:
    """The tables, and what the workers are told of them."""
    for folder in ("here", "mirror"):
        (place.work / folder).mkdir()
    url, token = place.env["KS_URL"], place.env["KS_TOKEN"]
    with ks.connect(url, token=token) as storage:
        storage.push_data_frame("bench/tables/small", batch(0, 1000))
        count = math.ceil(ROWS * scale / FILES)
        with ThreadPoolExecutor(1) as ahead:  # the next rows are made while these are written
            made = ahead.submit(batch, 0, count)
            for number in range(1, FILES + 1):
                rows, made = made.result(), ahead.submit(batch, number * count, count)
                storage.push_data_frame(TABLE, rows)
        _long(place, storage)
        keys = storage.credentials("bench/tables")
        env = place.env | {
            "BENCH_BUCKET": keys.bucket,
            "BENCH_OPTIONS": json.dumps(keys.storage_options()),
            "BENCH_SCALE": str(scale),
        }
        mirror = _mirror(place, env)
        yield env | {"BENCH_MIRROR": mirror}


def _long(place: Place, storage: ks.Storage) -> None:
    """A table of a thousand commits, made on the disk, where that is quick."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-", dir="/dev/shm") as folder:
        for number in range(COMMITS):
            deltalake.write_deltalake(folder, pa.table({"id": [number]}), mode="append")
        bucket = storage.credentials("bench/tables").bucket
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        keys = ["bench/tables/long/" + file.relative_to(folder).as_posix() for file in files]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(place.s3.upload_file, map(str, files), [bucket] * len(files), keys))


def _mirror(place: Place, env: dict[str, str]) -> str:
    """Let the folder ``mirror`` read the table from this disk."""
    command = [str(Path(sys.executable).with_name("ks")), "table", "cache", TABLE, "-q"]
    folder = place.work / "mirror"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
