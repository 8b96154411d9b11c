"""A whole table, with the binaries of its rows, deleted for ever."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import obstore

from klarity_storage.layout import raw_binary_prefix
from klarity_storage.protocol.tables import Dropped
from klarity_storage.tables.failures import not_found, told_as_ours
from klarity_storage.tables.lasting import lasting
from klarity_storage.tables.location import Locate, TableLocation, open_store

if TYPE_CHECKING:
    from obstore import ObjectMeta  # stands in its stubs only

_LOG = "_delta_log"


def drop_table(locate: Locate, *, dry_run: bool = True) -> Dropped:
    """Count what a table consists of, and delete it without ``dry_run``.

    Its log goes first, so that nobody finds a table whose files are missing. What a drop that was
    interrupted left behind is found by the next one.

    Raises:
        TableNotFoundError: nothing of it is there.
        ForbiddenError: the keys may not delete.
    """
    with lasting(locate) as location, told_as_ours(location.name, writing=True):
        places = [location, _binaries(location)]
        objects = size = 0
        for place in places:
            for page in _pages(place):
                objects, size = objects + len(page), size + sum(item["size"] for item in page)
        if not objects:
            raise not_found(location.name)
        if not dry_run:
            for place in places:
                _empty(place)
        return Dropped(dry_run=dry_run, objects=objects, bytes=size)


def _binaries(table: TableLocation) -> TableLocation:
    root = table.uri.removesuffix(str(table.name))
    return replace(table, uri=root + raw_binary_prefix(table.name).rstrip("/"))


def _empty(place: TableLocation) -> None:
    if place.s3 is None:
        folder = Path(place.uri)
        for part in (folder / _LOG, folder):
            if part.is_dir():
                shutil.rmtree(part)
        return
    for prefix in (f"{_LOG}/", None):
        while any(pages := list(_pages(place, prefix))):  # also what is written meanwhile
            for page in pages:
                obstore.delete(open_store(place), [item["path"] for item in page])


def _pages(place: TableLocation, prefix: str | None = None) -> Iterable[Sequence[ObjectMeta]]:
    if place.s3 is None and not Path(place.uri).is_dir():
        return []
    return obstore.list(open_store(place), prefix)
