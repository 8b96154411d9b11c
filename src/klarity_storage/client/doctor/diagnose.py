"""Every trial, in the order in which one stands on another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from klarity_storage.client.config import Configuration, read_configuration
from klarity_storage.client.doctor.cache import check_cache
from klarity_storage.client.doctor.caller import check_caller
from klarity_storage.client.doctor.check import Check, ended, passed, skipped
from klarity_storage.client.doctor.connection import check_connection
from klarity_storage.client.doctor.directory import check_directory
from klarity_storage.client.doctor.engine import check_engine
from klarity_storage.client.http import Http
from klarity_storage.errors import StorageError

_OF_A_SERVER: Final = ("connection", "encryption", "clock", "versions", "token", "engine")


def diagnose(
    target: str | os.PathLike[str] | None = None, token: str | None = None
) -> Iterator[Check]:
    """Try what must work from here with the caller's own credentials, and what must not.

    Nothing is left behind. Each check comes as soon as it is made.

    Args:
        target: a base URL or a directory, as for ``ks.connect``.
        token: as for ``ks.connect``.

    Example:
        >>> import tempfile
        >>> [check.name for check in diagnose(tempfile.mkdtemp())][:2]
        ['configuration', 'directory']
    """
    try:
        found = read_configuration(target, token)
    except StorageError as error:
        yield ended("configuration", error)
    else:
        yield passed("configuration", found.source)
        if found.is_server:
            yield from _check_server(found)
        else:
            yield from check_directory(Path(found.location).expanduser())
            for name in _OF_A_SERVER:
                yield skipped(name, "a directory has none")
    yield from check_cache()


def _check_server(found: Configuration) -> Iterator[Check]:
    reached = yield from check_connection(found.location)
    if not reached:
        for name in ("token", "engine"):
            yield skipped(name, "the server does not answer")
        return
    http = Http(found.location, found.token)
    try:
        caller = yield from check_caller(http, has_token=found.token is not None)
        if caller is None:
            yield skipped("engine", "the server does not know the caller")
        else:
            yield from check_engine(http, caller)
    finally:
        http.close()
