"""A server and its engine: what is small goes over HTTP, bytes go to the engine directly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from obstore.store import ObjectStore

from klarity_storage.client.credentials import Credentials
from klarity_storage.client.http import Http, quoted
from klarity_storage.errors import NotFoundError, SpaceNotFoundError, VersionNotFoundError
from klarity_storage.layout import LATEST, Kind, Name
from klarity_storage.protocol.binaries import DeleteBinaries, DeletedBinaries
from klarity_storage.protocol.credentials import (
    Adding,
    CredentialsRequest,
    Operation,
    S3Credentials,
)
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import CreateSpace, Space, SpaceList
from klarity_storage.protocol.tables import TableInfo, TableList
from klarity_storage.protocol.versions import (
    CollectGarbage,
    CommitRequest,
    Garbage,
    Lineage,
    NameList,
    SetTag,
    TagInfo,
    TagList,
    UploadPlace,
    VersionInfo,
    VersionList,
)
from klarity_storage.tables.location import TableLocation
from klarity_storage.versions.history import History, read_history

_DURATION: Final = 3600
"""Seconds for which keys to a table are good."""

_YOUNG: Final = 600
"""Seconds for which keys to read are used for the next frame, too: asking costs as much as opening
a table, and with the same keys DataFusion knows the files' footers already."""

_LOOK_EVERY: Final = 60.0
"""Seconds after which the server is asked again where a name lies: its space may be moved."""


class _Reading(NamedTuple):
    place: tuple[str, str]
    store: ObjectStore
    looked: float


class RemoteBackend:
    """A connection to a server."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._reading: dict[Name, _Reading] = {}
        self._table_keys: dict[Name, tuple[float, S3Credentials]] = {}
        """Keys to read, and until when they are given to new frames."""
        self._histories: dict[Name, History] = {}
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        return self._http.base_url

    @property
    def http(self) -> Http:
        """For the calls that only a server has."""
        return self._http

    def close(self) -> None:
        self._http.close()

    def whoami(self) -> Identity:
        return self._http.get(quoted("whoami"), Identity)

    def spaces(self) -> list[Space]:
        return self._http.get(quoted("spaces"), SpaceList).items

    def space(self, key: str) -> Space:
        return self._http.get(quoted("spaces", key), Space)

    def create_space(self, key: str, description: str, bucket: str | None = None) -> Space:
        body = CreateSpace(key=key, description=description, bucket=bucket)
        return self._http.post(quoted("spaces"), body, Space)

    def names(self, space: str, kind: Kind, *, uncommitted: bool = False) -> list[Name]:
        every = "true" if uncommitted else None
        answer = self._http.get(quoted("spaces", space, kind), NameList, uncommitted=every)
        return [Name(item.space, Kind(item.kind), item.name) for item in answer.items]

    def versions(self, name: Name) -> list[VersionInfo]:
        try:
            return self._http.get(_of(name, "versions"), VersionList).items
        except VersionNotFoundError:
            return []

    def version(self, name: Name, selector: str | None) -> VersionInfo:
        return self._http.get(_of(name, "versions", selector or LATEST), VersionInfo)

    def reading_store(self, name: Name) -> ObjectStore:
        with self._lock:
            known = self._reading.get(name)
            if known is None or known.looked < time.monotonic() - _LOOK_EVERY:
                keys = Credentials(self, str(name))
                if known is None or known.place != keys.place:
                    known = _Reading(keys.place, keys.obstore(), 0)
                known = self._reading[name] = known._replace(looked=time.monotonic())
            return known.store

    def writing_store(self, name: Name, folder: str, adding: Adding | None = None) -> ObjectStore:
        with _place_to_write(name):
            return Credentials(
                self, str(name), Operation.WRITE, version=folder, adding=adding
            ).obstore()

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo:
        # its write_id lets the server know a request that it has seen
        return self._http.post(_of(name, "versions"), request, VersionInfo, repeatable=True)

    def place(self, name: Name, version: str) -> UploadPlace:
        with _place_to_write(name):
            return self._http.get(_of(name, "uploads", version), UploadPlace)

    def history(self, name: Name) -> History:
        history = read_history(self.reading_store(name), name, self._histories.get(name))
        self._histories[name] = history
        return history

    def delete_version(
        self, name: Name, selector: str, *, reason: str, untag: bool, unpin: bool
    ) -> None:
        # a tag, or the beginning of a hash, may mean another version when it is asked again
        version = self.version(name, selector).version
        said = {
            "reason": reason or None,
            "untag": "true" if untag else None,
            "unpin": "true" if unpin else None,
        }
        self._http.delete(_of(name, "versions", version), **said)

    def collect_garbage(self, name: Name, *, grace: int, dry_run: bool) -> Garbage:
        body = CollectGarbage(dry_run=dry_run, grace=grace)
        return self._http.post(_of(name, "gc"), body, Garbage, repeatable=True)

    def lineage(self, name: Name, selector: str | None) -> Lineage:
        return self._http.get(_of(name, "versions", selector or LATEST, "lineage"), Lineage)

    def tags(self, name: Name) -> list[TagInfo]:
        return self._http.get(_of(name, "tags"), TagList).items

    def set_tag(self, name: Name, tag: str, selector: str) -> TagInfo:
        return self._http.put(_of(name, "tags", tag), SetTag(version=selector), TagInfo)

    def remove_tag(self, name: Name, tag: str) -> None:
        self._http.delete(_of(name, "tags", tag))

    def tables(self, space: str) -> list[Name]:
        answer = self._http.get(quoted("spaces", space, Kind.TABLES), TableList)
        return [Name(item.space, Kind.TABLES, item.name) for item in answer.items]

    def table(self, name: Name) -> TableInfo:
        return self._http.get(_of(name), TableInfo)

    def locate(self, table: Name, operation: Operation) -> TableLocation:
        if operation is Operation.READ:
            keys = self._keys_to_read(table)
        else:
            with _place_to_write(table):
                keys = self.issue(str(table), operation, None, _DURATION)
        return TableLocation(table, f"s3://{keys.bucket}/{table}", keys)

    def _keys_to_read(self, table: Name) -> S3Credentials:
        """The keys that the last read of a table had, while they are young: frames live long."""
        with self._lock:
            known = self._table_keys.get(table)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        keys = self.issue(str(table), Operation.READ, None, _DURATION)
        with self._lock:
            self._table_keys[table] = time.monotonic() + _YOUNG, keys
        return keys

    def binaries(self, table: Name, *, write: bool) -> ObjectStore:
        if not write:
            return self.reading_store(table)
        with _place_to_write(table):
            return Credentials(self, str(table), Operation.WRITE).obstore()

    def delete_binaries(self, table: Name, rows: list[str], names: list[str] | None) -> int:
        body = DeleteBinaries(rows=rows, names=names)
        path = _of(table, "raw_binaries", "delete")
        return self._http.post(path, body, DeletedBinaries, repeatable=True).files

    def issue(
        self,
        scope: str,
        operation: Operation,
        version: str | None,
        duration: int,
        adding: Adding | None = None,
    ) -> S3Credentials:
        body = CredentialsRequest(
            scope=scope, operation=operation, version=version, duration=duration, adding=adding
        )
        return self._http.post(quoted("credentials"), body, S3Credentials, repeatable=True)


@contextmanager
def _place_to_write(name: Name) -> Iterator[None]:
    """A new name does not exist before it is written: what is missing is the space."""
    try:
        yield
    except NotFoundError as error:
        raise SpaceNotFoundError(
            f"There is no space {name.space!r} in which you may write {name}.",
            hint="ks space ls lists the spaces; an owner grants the role writer.",
            request_id=error.request_id,
        ) from error


def _of(name: Name, *rest: str) -> str:
    return quoted("spaces", name.space, name.kind, name.name, *rest)
