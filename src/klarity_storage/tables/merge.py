"""Rows into a table by their keys: those that are there are updated, the others inserted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pyarrow.types as is_
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext
from deltalake import DeltaTable

from klarity_storage.errors import InvalidDataError
from klarity_storage.tables.commit import HOOKS, Signature, parquet
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.stream import ArrowStream

_IN_MEMORY = 256 << 20
"""Bytes of Parquet: a source up to this size is held in memory, and only the files of the table
that its keys may be in are read; a larger one streams past all of them."""

_SORTING = 512 << 20
"""Bytes that the search for duplicate keys takes before it spills to the disk."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows on the local disk, whole and without a duplicate key."""

    file: Path
    schema: pa.Schema

    @property
    def small(self) -> bool:
        return self.file.stat().st_size <= _IN_MEMORY

    def reader(self) -> pa.RecordBatchReader:
        """All rows, from the beginning."""
        file = pa.parquet.ParquetFile(self.file)
        batches = (batch.cast(self.schema) for batch in file.iter_batches(use_threads=False))
        return pa.RecordBatchReader.from_batches(self.schema, batches)


def check_keys(keys: Sequence[str], schema: pa.Schema) -> None:
    """Raise InvalidDataError when rows cannot be told apart by these columns."""
    for key in keys:
        if key not in schema.names:
            raise InvalidDataError(
                f"The data has no column {key!r} to merge by{nearest(key, schema.names)}."
            )
        type_ = schema.field(key).type
        if is_.is_floating(type_) or is_.is_nested(type_):
            raise InvalidDataError(
                f"Rows cannot be told apart by {key!r}, a {type_}: only what is exact can be a key."
            )


@contextmanager
def set_aside(
    stream: ArrowStream, target: pa.Schema, keys: Sequence[str], partitions: Sequence[str] = ()
) -> Iterator[SetAside]:
    """Write rows to the local disk, where they are looked through before the table is touched.

    Raises:
        InvalidDataError: a key is null, or stands in two rows; an example is given.
    """
    with tempfile.TemporaryDirectory(prefix="ks-merge-") as folder:
        file = Path(folder) / "source.parquet"
        reader = stream.reader(target, partitions)
        with pa.parquet.ParquetWriter(
            file, target, compression="lz4", write_statistics=False
        ) as writer:
            for batch in reader:
                _check_nulls(batch, keys)
                writer.write_batch(batch)
        _check_duplicates(file, keys)
        yield SetAside(file, target)


def merge_rows(
    table: DeltaTable,
    source: SetAside,
    keys: Sequence[str],
    signature: Signature,
    *,
    evolve: bool = False,
) -> None:
    """Update the table's rows whose keys stand in the source, and insert the source's others."""
    columns = [_quoted(name) for name in source.schema.names]
    every = {f"target.{name}": f"source.{name}" for name in columns}
    merger = table.merge(
        source.reader(),
        " AND ".join(f"target.{key} = source.{key}" for key in map(_quoted, keys)),
        source_alias="source",
        target_alias="target",
        merge_schema=evolve,
        streamed_exec=not source.small,
        writer_properties=parquet(_union(table, source.schema)),
        commit_properties=signature.commit(),
        post_commithook_properties=HOOKS,
    )
    merger.when_matched_update(every).when_not_matched_insert(every).execute()


def _union(table: DeltaTable, source: pa.Schema) -> pa.Schema:
    there = pa.schema(table.schema().to_arrow())
    return pa.schema([*there, *(field for field in source if field.name not in there.names)])


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _check_nulls(batch: pa.RecordBatch, keys: Sequence[str]) -> None:
    for key in keys:
        column = batch.column(key)
        if column.null_count:
            at = column.is_null().index(True).as_py()
            raise InvalidDataError(
                f"The key {key!r} is null in a row: {_row(batch.slice(at, 1))}. Null equals "
                "nothing, so such a row would be inserted again by every merge.",
                hint="Fill the key, or append rows without one.",
            )


def _check_duplicates(file: Path, keys: Sequence[str]) -> None:
    runtime = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(_SORTING)
    settings = {"datafusion.execution.collect_statistics": "false"}
    session = SessionContext(SessionConfig(settings), runtime)
    session.register_parquet("source", str(file))
    names = ", ".join('"' + key.replace('"', '""') + '"' for key in keys)
    found = session.sql(
        f"select count(*), {names} from source group by {names} "  # noqa: S608 - quoted
        "having count(*) > 1 limit 1"
    ).to_arrow_table()
    if found.num_rows:
        times, *values = (column[0].as_py() for column in found.columns)
        example = dict(zip(keys, values, strict=True))
        raise InvalidDataError(
            f"The data holds {times} rows with one key, for example {_told(example)}: which of "
            "them counts is not said.",
            hint="Keep one row of each key.",
        )


def _row(batch: pa.RecordBatch) -> str:
    return _told(dict(list(batch.to_pylist()[0].items())[:8]))


def _told(values: dict[str, object]) -> str:
    return ", ".join(f"{name}={str(value)[:60]!r}" for name, value in values.items())
