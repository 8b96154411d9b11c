"""What a connection can do: the seam between a server and local mode."""

from __future__ import annotations

from typing import Protocol

from obstore.store import ObjectStore

from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import Adding, Operation, S3Credentials
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import Space
from klarity_storage.protocol.tables import TableInfo
from klarity_storage.protocol.versions import (
    CommitRequest,
    Garbage,
    Lineage,
    TagInfo,
    UploadPlace,
    VersionInfo,
)
from klarity_storage.tables.location import TableLocation
from klarity_storage.versions.history import History
from klarity_storage.versions.push import PushTarget


class Backend(PushTarget, Protocol):
    """A store in this process, or a server and its engine. It also takes pushes."""

    @property
    def location(self) -> str:
        """The server's base URL, or the directory."""

    def close(self) -> None: ...

    def whoami(self) -> Identity: ...

    def spaces(self) -> list[Space]: ...

    def space(self, key: str) -> Space: ...

    def create_space(self, key: str, description: str, bucket: str | None = None) -> Space: ...

    def names(self, space: str, kind: Kind, *, uncommitted: bool = False) -> list[Name]:
        """The names of a kind; those that nothing came to a commit of, too."""

    def versions(self, name: Name) -> list[VersionInfo]: ...

    def version(self, name: Name, selector: str | None) -> VersionInfo: ...

    def reading_store(self, name: Name) -> ObjectStore: ...

    def writing_store(
        self, name: Name, folder: str, adding: Adding | None = None
    ) -> ObjectStore: ...

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo: ...

    def place(self, name: Name, version: str) -> UploadPlace: ...

    def history(self, name: Name) -> History:
        """The log of a name, folded; empty where there is no such name."""

    def delete_version(
        self, name: Name, selector: str, *, reason: str, untag: bool, unpin: bool
    ) -> None: ...

    def collect_garbage(self, name: Name, *, grace: int, dry_run: bool) -> Garbage: ...

    def lineage(self, name: Name, selector: str | None) -> Lineage: ...

    def tags(self, name: Name) -> list[TagInfo]: ...

    def set_tag(self, name: Name, tag: str, selector: str) -> TagInfo: ...

    def remove_tag(self, name: Name, tag: str) -> None: ...

    def tables(self, space: str) -> list[Name]: ...

    def table(self, name: Name) -> TableInfo: ...

    def locate(self, table: Name, operation: Operation) -> TableLocation:
        """Where a table lies, with keys for the operation that are good for a while."""

    def binaries(self, table: Name, *, write: bool) -> ObjectStore:
        """A store that reads, or writes, the binaries of a table's rows."""

    def delete_binaries(self, table: Name, rows: list[str], names: list[str] | None) -> int: ...

    def issue(
        self,
        scope: str,
        operation: Operation,
        version: str | None,
        duration: int,
        adding: Adding | None = None,
    ) -> S3Credentials:
        """Temporary keys of the engine."""
