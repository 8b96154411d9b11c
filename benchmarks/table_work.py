"""What one contender does with tables, timed in a process of its own: a line in, a line out.

Libraries are loaded and their threads started before anything is timed; each operation opens its
table anew, as the next call of a program would.
"""

# ruff: noqa: PLC0415 - each contender loads its own libraries

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from table_data import PUSHED, ROWS, Query, batch, queries

Operation = Callable[[], Any]

TABLE = "bench/tables/big"
LONG = "bench/tables/long"
SMALL = "bench/tables/small"
SCALE = float(os.environ["BENCH_SCALE"])


def klarity_storage() -> dict[str, Operation]:
    """Through ``ks.connect()``; on a mirror when the folder's ``.safenai`` says so."""
    import klarity_storage as ks

    storage = ks.connect()
    storage.get_data_frame(SMALL).collect()
    storage.get_data_frame(TABLE)  # now it has its keys, as the others have theirs
    storage.get_data_frame(LONG)

    def query(asked: Query) -> pa.Table:
        if asked.where is None:
            return storage.sql(asked.sql("bench.big")).to_arrow_table()
        return asked.of_frame(storage.get_data_frame(TABLE, asked.where)).to_arrow_table()

    def push() -> None:
        storage.push_data_frame(f"bench/tables/pushed-{time.time_ns()}", rows())

    return {
        **_queries(query),
        "push": push,
        "open": lambda: storage.get_data_frame(LONG),
        "describe": lambda: storage.get_data_table(LONG),
        "page": lambda: storage.get_data_frame(TABLE, "price > 990", limit=100).to_arrow_table(),
    }


def query_builder() -> dict[str, Operation]:
    """DataFusion inside deltalake."""
    from deltalake import DeltaTable, QueryBuilder

    def query(asked: Query) -> pa.Table:
        return asking("t", asked.sql("t"), TABLE)

    def asking(name: str, sql: str, table: str) -> pa.Table:
        opened = DeltaTable(_uri(table), storage_options=_options())
        return pa.table(QueryBuilder().register(name, opened).execute(sql).read_all())

    asking("t", "select count(*) from t where id > 0", SMALL)
    return {
        **_queries(query),
        "open": lambda: DeltaTable(_uri(LONG), storage_options=_options()),
    }


def polars() -> dict[str, Operation]:
    """``scan_delta``, its SQL."""
    import polars as pl

    def query(asked: Query) -> pa.Table:
        return ask(TABLE, asked.sql("self"))

    def ask(table: str, sql: str) -> pa.Table:
        frame = pl.scan_delta(_uri(table), storage_options=_options())
        return frame.sql(sql).collect().to_arrow()

    ask(SMALL, "select count(*) from self where id > 0")
    return _queries(query)


def datafusion() -> dict[str, Operation]:
    """DataFusion itself on the mirror's Parquet files."""
    from datafusion import SessionContext

    def query(asked: Query) -> pa.Table:
        context = SessionContext()
        context.register_parquet("t", os.environ["BENCH_MIRROR"])
        return context.sql(asked.sql("t")).to_arrow_table()

    SessionContext().sql("select 1").collect()
    return _queries(query)


def pyarrow() -> dict[str, Operation]:
    """``pyarrow.parquet.write_table``, with its own settings and with ZSTD as tables have it."""
    from pyarrow import fs, parquet

    bucket, endpoint = os.environ["BENCH_BUCKET"], os.environ["AWS_ENDPOINT_URL"]
    s3 = fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=endpoint.partition("//")[2],
        scheme=endpoint.partition(":")[0],
        region=os.environ["AWS_REGION"],
    )
    s3.get_file_info(bucket)

    def push(**settings: Any) -> None:
        parquet.write_table(rows(), f"{bucket}/{time.time_ns()}.parquet", filesystem=s3, **settings)

    return {
        "push": push,
        "push as ZSTD": lambda: push(compression="zstd", compression_level=1),
    }


def server() -> dict[str, Operation]:
    """A page of rows over HTTP."""
    import httpx

    client = httpx.Client(
        base_url=os.environ["KS_URL"],
        headers={"authorization": f"Bearer {os.environ['KS_TOKEN']}"},
        timeout=60,
    )

    def page(table: str = TABLE) -> pa.Table:
        body = {"filter": {"op": ">", "column": "price", "value": 990}, "limit": 100}
        space, _, name = table.split("/")
        with client.stream("POST", f"/v1/spaces/{space}/tables/{name}/query", json=body) as answer:
            answer.raise_for_status()
            pieces = (piece for piece in answer.iter_raw() if piece)
            reader = pa.ipc.open_stream(_Pieces(pieces))
            first = reader.read_next_batch()
            return pa.Table.from_batches([first, *reader])

    page(SMALL)
    return {"page": page}


class _Pieces:
    """A stream that pyarrow reads as it comes."""

    closed = False

    def __init__(self, pieces: Any) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            more = next(self._pieces, b"")
            if not more:
                break
            self._held += more
        taken, self._held = self._held[:size], self._held[size:]
        return taken


def _queries(query: Callable[[Query], pa.Table]) -> dict[str, Operation]:
    return {asked.name: lambda asked=asked: query(asked) for asked in queries(int(ROWS * SCALE))}  # type: ignore[misc]


_pushed: list[pa.Table] = []


def rows() -> pa.Table:
    """What is pushed; made before it is timed."""
    if not _pushed:
        _pushed.append(batch(0, int(PUSHED * SCALE)))
    return _pushed[0]


def _uri(table: str) -> str:
    return f"s3://{os.environ['BENCH_BUCKET']}/{table}"


def _options() -> dict[str, str]:
    options: dict[str, str] = json.loads(os.environ["BENCH_OPTIONS"])
    return options


def main() -> None:
    operations = globals()[sys.argv[1]]()
    if "push" in operations:
        rows()
    print("ready", flush=True)
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
        begin = time.perf_counter()
        answer = operations[line.strip()]()
        seconds = time.perf_counter() - begin
        told = answer.to_pylist() if isinstance(answer, pa.Table) else None
        print(json.dumps({"seconds": seconds, "memory": _peak(), "rows": told}, default=str))
        sys.stdout.flush()


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    told = next(line for line in lines if line.startswith("VmHWM:"))
    return int(told.split()[1]) << 10


if __name__ == "__main__":
    main()
