"""What every commit to a table carries, and how its Parquet files are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    PostCommitHookProperties,
    WriterProperties,
)

FILE_BYTES = 128 << 20
"""A Parquet file's size: few requests to scan a table, little to fetch for a part of one."""

RETRIES = 1_000
"""Of a commit that others came before: one of them landed each time, so it ends."""

HOOKS = PostCommitHookProperties(cleanup_expired_logs=False)
"""History stays: delta-rs would delete what is 30 days old, which a writer's keys may not."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who commits, why, and from what.

    In Delta's ``commitInfo`` that is ``userName``, ``userMetadata`` and ``lineage``.
    """

    by: str
    message: str = ""
    lineage: tuple[str, ...] = ()

    def commit(self, *, retries: int = RETRIES) -> CommitProperties:
        """What delta-rs is given to sign a commit with."""
        said: dict[str, Any] = {"userName": self.by, "userMetadata": self.message}
        if self.lineage:
            said["lineage"] = list(self.lineage)
        return CommitProperties(said, max_commit_retries=retries)


def parquet(schema: pa.Schema) -> WriterProperties:
    """How the files of these columns are written, by whichever operation."""
    # Parquet's minima and maxima leave NaN out: readers that trust them skip rows, and DataFusion
    # may read a column of 1.0 and NaN as 1.0 throughout. So none for floats, nested ones included
    sure = ColumnProperties(statistics_enabled="PAGE")
    plain = [field.name for field in schema if not _may_hold_nan(field.type)]
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,  # 3 takes half as long again, for the same size on numbers
        max_row_group_size=256 << 10,  # rows: what a filter can skip at once
        # bytes, after which a column of ever new values is given up as a dictionary: at Parquet's
        # own 1 MiB, half of each group's numbers are looked up in vain
        dictionary_page_size_limit=256 << 10,
        default_column_properties=ColumnProperties(statistics_enabled="NONE"),
        column_properties=dict.fromkeys(plain, sure),
    )


def _may_hold_nan(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_nested(type_))
