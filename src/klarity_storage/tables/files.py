"""A snapshot's files as a lazy frame, where the files and the log tell all of its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

import pyarrow as pa
import pyarrow.types as is_
from datafusion import DataFrame, Expr, SessionContext, col, lit
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from klarity_storage.tables.context import engine_url
from klarity_storage.tables.filters import quoted
from klarity_storage.tables.location import TableLocation
from klarity_storage.tables.log_entries import object_path
from klarity_storage.tables.plain import is_plain
from klarity_storage.tables.plan import UnknownPlanError, scan_files
from klarity_storage.tables.views import with_views

_GROUPS_ON_DISK = 256
"""Partitions above which delta-rs, which is as lazy on a disk, is the faster."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._=-]*")
"""What stands in an address as it is: most paths, and looking is quicker than quoting."""

Values = tuple[pa.Scalar, ...]
"""Of the partition columns, in the table's order of them."""


def open_files(
    session: SessionContext,
    location: TableLocation,
    table: DeltaTable,
    schema: pa.Schema,
    files: list[str],
    *,
    in_order: bool = False,
) -> DataFrame | None:
    """Some of a snapshot's files as a frame, or None where files alone do not tell their rows.

    Files of one partition are one scan, and the partition's values stand beside it as literals:
    so a filter on them, whatever its form, leaves only the scans that it is true for. Text comes as
    views.

    Args:
        session: the frame's.
        location: where the table lies.
        table: the snapshot.
        schema: its columns.
        files: which of its files.
        in_order: whether the scans follow one another. Within one, rows come in the order of its
            files where the session has a single partition.
    """
    if not is_plain(table, schema):
        return None
    urls = _urls(session, location, files)
    if urls == []:
        return session.from_arrow(schema.empty_table())
    groups = None if urls is None else _groups(location, table, files, urls)
    if groups is None or (location.s3 is None and len(groups) > _GROUPS_ON_DISK):
        return None
    try:
        partitions = table.metadata().partition_columns
        frames = [_scan(session, schema, partitions, *group) for group in groups]
        return _one_after_another(frames) if in_order else _union(frames)
    except UnknownPlanError:
        return None  # another DataFusion: the slower way reads the same rows


def chosen_files(table: DeltaTable, schema: pa.Schema, filters: Sequence[str | Expr]) -> list[str]:
    """The snapshot's files, without those that the log's minima and maxima rule out."""
    kept = sorted(table.file_uris())  # a checkpoint tells them in another order than commits do
    for text in prunable(schema, filters):
        try:
            chosen = set(table.file_uris(file_pruning_predicate=text))
        except DeltaError:  # a condition that the log's statistics say nothing of
            continue
        kept = [uri for uri in kept if uri in chosen]
    return kept


def prunable(schema: pa.Schema, filters: Sequence[str | Expr]) -> list[str]:
    """The filters by which files may be left out: minima and maxima tell all that they ask."""
    # they leave NaN out, which DataFusion holds above all numbers
    floats = [field.name.casefold() for field in schema if is_.is_floating(field.type)]
    return [
        f"({text})"
        for text in filters
        if isinstance(text, str) and not any(name in text.casefold() for name in floats)
    ]


def _urls(session: SessionContext, location: TableLocation, files: list[str]) -> list[str] | None:
    """The files' addresses in the session, or None when one lies elsewhere."""
    root = f"{location.uri.rstrip('/')}/"
    if not all(uri.startswith(root) for uri in files):
        return None
    if location.s3 is None:
        start, base = "", "file://"
    else:
        start = f"s3://{location.s3.bucket}/"
        base = engine_url(session, location.s3)
    paths = [uri.removeprefix(start) for uri in files]
    if not _PLAIN_PATH.fullmatch("".join(paths)):
        paths = [quote(path, safe="/=") for path in paths]
    return [base + path for path in paths]


def _groups(
    location: TableLocation, table: DeltaTable, files: list[str], urls: list[str]
) -> list[tuple[list[str], Values]] | None:
    """The addresses by partition, or None when the log does not tell the partition of one."""
    columns = table.metadata().partition_columns
    if not columns:
        return [(urls, ())]
    values = _partition_values(location, table, columns)
    groups: dict[str, tuple[list[str], Values]] = {}
    for uri, url in zip(files, urls, strict=True):
        if uri not in values:
            return None
        told = repr(values[uri])  # by which 0.0 is not -0.0, and NaN is NaN
        groups.setdefault(told, ([], values[uri]))[0].append(url)
    return list(groups.values())


def _partition_values(
    location: TableLocation, table: DeltaTable, columns: list[str]
) -> dict[str, Values]:
    actions = pa.table(table.get_add_actions())
    root = f"{location.uri.rstrip('/')}/"
    uris = [root + object_path(path) for path in actions["path"].to_pylist()]
    struct = actions["partition"].combine_chunks()
    values = zip(*(struct.field(name) for name in columns), strict=True)
    return dict(zip(uris, values, strict=True))


def _scan(
    session: SessionContext,
    schema: pa.Schema,
    partitions: list[str],
    urls: list[str],
    values: Values,
) -> DataFrame:
    stored = pa.schema([field for field in schema if field.name not in partitions])
    frame = scan_files(session, urls, with_views(stored))
    if not partitions:
        return frame
    literals = dict(zip(partitions, values, strict=True))
    return frame.select(
        *(
            lit(literals[field.name]).cast(field.type).alias(field.name)
            if field.name in literals
            else col(quoted(field.name))
            for field in schema
        )
    )


def _union(frames: list[DataFrame]) -> DataFrame:
    while len(frames) > 1:  # in pairs of pairs: DataFusion walks plans by recursion
        pairs = zip(frames[::2], frames[1::2], strict=False)
        odd = frames[-1:] if len(frames) % 2 else []
        frames = [one.union(other) for one, other in pairs] + odd
    return frames[0]


def _one_after_another(frames: list[DataFrame]) -> DataFrame:
    """A union by a number of each frame's: sorted already, it is merged and nothing is sorted."""
    if len(frames) == 1:
        return frames[0]
    names = frames[0].schema().names
    number = "_" + max(names, key=len)  # which none of them is
    numbered = [frame.with_column(number, lit(at)) for at, frame in enumerate(frames)]
    every = (col(quoted(name)) for name in names)
    return _union(numbered).sort(col(quoted(number))).select(*every)
