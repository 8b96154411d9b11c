"""A table's small files laid together, and near rows into the same file when asked to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from klarity_storage.errors import InvalidQueryError
from klarity_storage.protocol.tables import Optimized
from klarity_storage.tables.change import Change, changing
from klarity_storage.tables.commit import FILE_BYTES, HOOKS, Signature, parquet
from klarity_storage.tables.fit import nearest
from klarity_storage.tables.location import Locate

_IN_MEMORY = 1 << 30
"""Bytes that a Z-order takes before it spills to the disk."""


def optimize_table(locate: Locate, z_order: Sequence[str], signature: Signature) -> Optimized:
    """Write small files together; the rows stay the same, and nothing is done where none is small.

    Args:
        locate: finds the table.
        z_order: columns by which rows that are near come to lie in the same file, so that filters
            on any of them skip more; it writes the whole table anew.
        signature: who does it and why.

    Raises:
        InvalidQueryError: there is no such column, or it is a partition.
        ConflictError: somebody else removed rows meanwhile; appends are no conflict.
    """
    with changing(locate) as change:
        _check_columns(change, z_order)
        settings: dict[str, Any] = {
            "target_size": FILE_BYTES,
            "writer_properties": parquet(change.schema),
            "commit_properties": signature.commit(),
            "post_commithook_properties": HOOKS,
        }
        if z_order:
            settings["max_spill_size"] = _IN_MEMORY
            done = change.table.optimize.z_order(list(z_order), **settings)
        else:
            done = change.table.optimize.compact(**settings)
        return Optimized(
            version=change.table.version(),
            files_removed=done["numFilesRemoved"],
            files_added=done["numFilesAdded"],
            bytes_removed=_bytes(done["filesRemoved"]),
            bytes_added=_bytes(done["filesAdded"]),
        )


def _check_columns(change: Change, names: Sequence[str]) -> None:
    partitions = change.table.metadata().partition_columns
    for name in names:
        if name not in change.schema.names:
            raise InvalidQueryError(
                f"There is no column {name!r}{nearest(name, change.schema.names)}."
            )
        if name in partitions:
            raise InvalidQueryError(
                f"The table is partitioned by {name!r}: its rows are together already.",
                hint="Order by another column.",
            )


def _bytes(told: str) -> int:
    return int(json.loads(told)["totalSize"])
