"""The rows that tables are measured with, and the four questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datafusion import functions as f
from datafusion import lit

ROWS = 20_000_000
FILES = 16
PUSHED = 4_000_000
COMMITS = 1_000

_EPOCH = np.datetime64("2026-01-01", "us")


def batch(start: int, count: int) -> pa.Table:
    """Rows from a number on, the same on every machine: about 35 bytes each as ZSTD."""
    rng = np.random.default_rng(start)
    cities = pa.array([f"city_{number:03}" for number in range(1000)])
    labels = pa.array(["new", "used", "broken"])
    at = _EPOCH + (np.arange(start, start + count) * 1_000_000 + rng.integers(0, 999_999, count))
    return pa.table(
        {
            "id": np.arange(start, start + count),
            "at": at,
            "price": np.round(rng.uniform(0, 1000, count), 2),
            "customer": rng.integers(0, 1_000_000, count, dtype=np.int32),
            "amount": rng.integers(1, 100, count, dtype=np.int16),
            "city": cities.take(pa.array(rng.integers(0, 1000, count))),
            "label": labels.take(pa.array(rng.integers(0, 3, count))),
            "score": rng.random(count),
            "noise": rng.integers(0, 1 << 62, count),
        }
    )


@dataclass(frozen=True)
class Query:
    """One question, in SQL that all engines read alike."""

    name: str
    select: str
    where: str | None = None
    then: str = ""

    def sql(self, table: str) -> str:
        where = f" where {self.where}" if self.where else ""
        return f"select {self.select} from {table}{where}{self.then}"

    def of_frame(self, frame: Any) -> Any:
        """The same of a DataFusion frame that is filtered already."""
        return frame if self.select == "*" else frame.aggregate([], [f.count(lit(1)).alias("n")])


def queries(rows: int) -> list[Query]:
    return [
        Query("filtered count", "count(*) as n", "price > 990 and label = 'new'"),
        Query(
            "group-by",
            "city, label, count(*) as n, sum(amount) as amount",
            then=" group by city, label",
        ),
        Query("top-k", "id, city, price, noise", then=" order by noise desc limit 10"),
        Query("point look-up", "*", f"id = {rows * 3 // 5 + 7}"),
    ]
