"""What a version was made from, and what was made from it, as far as the caller may read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sqlalchemy import select

from klarity_storage.layout import VERSIONED_KINDS, Name
from klarity_storage.protocol.versions import Lineage
from klarity_storage.server.catalog.versions import get_version
from klarity_storage.server.context import Context
from klarity_storage.server.db import schema
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted
from klarity_storage.versions import names
from klarity_storage.versions.history import History
from klarity_storage.versions.lineage import trace_lineage

_READERS: Final = 8


def get_lineage(context: Context, name: Name, selector: str) -> Lineage:
    """The lineage of a version, both ways.

    Raises:
        VersionNotFoundError: there is no such version, or the caller may not see it.
        InvalidReferenceError: the selector fits several versions.
    """
    info = get_version(context, name, selector)
    services = context.services

    def read(name: Name) -> History:
        return services.histories.read(services.buckets.of(name.space).store, name)

    with ThreadPoolExecutor(_READERS, "ks-lineage") as pool:
        return trace_lineage(info, pool.map(read, _readable(context)))


def _readable(context: Context) -> Iterator[Name]:
    """The names of all spaces that the caller may read."""
    may = permitted(context)
    with context.services.database.read() as connection:
        spaces = list(connection.execute(select(schema.spaces.c.key)).scalars())
    for space in spaces:
        store = context.services.buckets.of(space).store
        for kind in VERSIONED_KINDS:
            found = names.list_names(store, space, kind)
            yield from (name for name in found if may(Pattern.of(name)))
