"""Where in the bucket the caller may read and write, so that something can be tried there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from typing import Final

from klarity_storage.client.http import Http, quoted
from klarity_storage.errors import StorageError
from klarity_storage.layout import VERSIONED_KINDS, Kind, Name
from klarity_storage.protocol.grants import Role
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import SpaceList
from klarity_storage.protocol.tables import TableList
from klarity_storage.protocol.versions import NameList

UNUSED: Final = "ks-doctor"
"""A name for what is only tried: nothing is ever kept under it."""

_SPACES: Final = 20
"""Spaces that are looked through at most."""


def readable_names(http: Http, identity: Identity) -> Iterator[Name]:
    """Names that there are and that the caller may read, found as they are asked for."""
    for space in islice(_spaces(http, identity), _SPACES):
        for kind in VERSIONED_KINDS:
            with contextlib.suppress(StorageError):  # the next one may do
                found = http.get(quoted("spaces", space, kind), NameList).items
                yield from (Name(space, kind, item.name) for item in found)
        with contextlib.suppress(StorageError):
            tables = http.get(quoted("spaces", space, Kind.TABLES), TableList).items
            yield from (Name(space, Kind.TABLES, table.name) for table in tables)


def covered_name(http: Http, identity: Identity, least: Role) -> Name | None:
    """A name, which need not exist, that a grant of that role or a higher one covers."""
    roles = list(Role)[list(Role).index(least) :]
    if identity.administrator:
        space = next(_spaces(http, identity), None)
        return None if space is None else Name(space, Kind.DATASETS, UNUSED)
    for grant in identity.grants:
        if grant.role in roles and (name := _of_pattern(grant.pattern)):
            return name
    return None


def _spaces(http: Http, identity: Identity) -> Iterator[str]:
    if identity.administrator:
        return iter([space.key for space in http.get(quoted("spaces"), SpaceList).items])
    return iter(dict.fromkeys(grant.pattern.partition("/")[0] for grant in identity.grants))


def _of_pattern(pattern: str) -> Name | None:
    """A name that the pattern reaches.

    >>> str(_of_pattern("vision/datasets/cats-*")), str(_of_pattern("vision"))
    ('vision/datasets/cats-', 'vision/datasets/ks-doctor')
    """
    space, kind, glob, *_ = [*pattern.split("/"), "", ""]
    name = glob.replace("*", "").replace("?", "x") or (UNUSED if "?" not in glob else "")
    try:
        return Name(space, Kind(kind or Kind.DATASETS), name)
    except (StorageError, ValueError):
        return None  # a glob of which this way makes no name
