"""Local mode: the same calls over a store in this process, without accounts or rights."""

from __future__ import annotations

import getpass
from datetime import timedelta
from pathlib import Path

from obstore.store import LocalStore, ObjectStore

from klarity_storage.client.local_uploads import DirectoryUploads
from klarity_storage.errors import (
    ConfigurationError,
    InvalidInputError,
    SpaceNotFoundError,
)
from klarity_storage.layout import VERSIONED_KINDS, Kind, Name, check_name, space_prefix
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
from klarity_storage.versions.commit import commit_version
from klarity_storage.versions.delete import delete_version
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.gc import collect_garbage
from klarity_storage.versions.history import History, name_not_found, read_history
from klarity_storage.versions.lineage import trace_lineage
from klarity_storage.versions.names import list_names, list_spaces
from klarity_storage.versions.tag import remove_tag, set_tag


class LocalBackend:
    """Any obstore store as a bucket; a directory on a disk is one that tables can live in too.

    Args:
        store: the bucket.
        directory: where it is, if it is a directory.
    """

    def __init__(self, store: ObjectStore, directory: Path | None = None) -> None:
        self._store = store
        self._directory = directory
        self._by = f"local:{getpass.getuser()}"
        self._histories: dict[Name, History] = {}

    @classmethod
    def at(cls, directory: Path) -> LocalBackend:
        """A directory, made when it is not there yet."""
        if directory.exists() and not directory.is_dir():
            raise ConfigurationError(
                f"{str(directory)!r} is not a directory.", hint="Name a directory for local mode."
            )
        with told_as_ours(f"the directory {str(directory)!r}"):
            directory.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(directory), directory.resolve())

    @property
    def location(self) -> str:
        return str(self._directory or self._store)

    def close(self) -> None:
        """Nothing is held open."""

    def whoami(self) -> Identity:
        return Identity(
            principal=self._by, display_name=self._by.partition(":")[2], administrator=True
        )

    def spaces(self) -> list[Space]:
        return [Space(key=key) for key in list_spaces(self._store)]

    def space(self, key: str) -> Space:
        self._require_space(check_name(key, "space"))
        return Space(key=key)

    def create_space(self, key: str, description: str, bucket: str | None = None) -> Space:
        if bucket is not None:
            raise InvalidInputError("Local mode has one bucket: the directory.", hint="Leave it.")
        if description:
            raise InvalidInputError(
                "Local mode keeps no description of a space.", hint="Leave it out."
            )
        if self._directory is None:
            raise InvalidInputError(f"A space needs no creation in {self._store}: push to it.")
        with told_as_ours(f"the space {key}"):
            (self._directory / space_prefix(key)).mkdir()
        return Space(key=key)

    def names(self, space: str, kind: Kind, *, uncommitted: bool = False) -> list[Name]:
        self._require_space(space)
        return list_names(self._store, space, kind, uncommitted=uncommitted)

    def versions(self, name: Name) -> list[VersionInfo]:
        return self.history(name).versions()

    def version(self, name: Name, selector: str | None) -> VersionInfo:
        return self.history(name).resolve(selector)

    def reading_store(self, name: Name) -> ObjectStore:
        return self._store

    def writing_store(self, name: Name, folder: str, adding: Adding | None = None) -> ObjectStore:
        return self._store

    def commit(self, name: Name, request: CommitRequest) -> VersionInfo:
        return commit_version(
            self._store,
            name,
            request,
            by=self._by,
            stable_etags=False,  # a copied directory has other ones
            history=self.history(name),
        )

    def history(self, name: Name) -> History:
        history = read_history(self._store, name, self._histories.get(name))
        self._histories[name] = history
        return history

    def place(self, name: Name, version: str) -> UploadPlace:
        return self.history(name).place(version)

    def delete_version(
        self, name: Name, selector: str, *, reason: str, untag: bool, unpin: bool
    ) -> None:
        delete_version(
            self._store,
            name,
            selector,
            by=self._by,
            reason=reason,
            untag=untag,
            unpin=unpin,
            history=self.history(name),
        )

    def collect_garbage(self, name: Name, *, grace: int, dry_run: bool) -> Garbage:
        return collect_garbage(
            self._store,
            name,
            by=self._by,
            grace=timedelta(seconds=grace),
            dry_run=dry_run,
            history=self.history(name),
            uploads=None if self._directory is None else DirectoryUploads(self._directory),
        )

    def lineage(self, name: Name, selector: str | None) -> Lineage:
        info = self.version(name, selector)
        spaces = list_spaces(self._store)
        names = [n for s in spaces for k in VERSIONED_KINDS for n in list_names(self._store, s, k)]
        return trace_lineage(info, map(self.history, names))

    def tags(self, name: Name) -> list[TagInfo]:
        history = self.history(name)
        if not history.commits:
            raise name_not_found(name)
        return history.tags()

    def set_tag(self, name: Name, tag: str, selector: str) -> TagInfo:
        history = self.history(name)
        return set_tag(self._store, name, tag, selector, by=self._by, history=history)

    def remove_tag(self, name: Name, tag: str) -> None:
        remove_tag(self._store, name, tag, by=self._by, history=self.history(name))

    def tables(self, space: str) -> list[Name]:
        from klarity_storage.tables.names import list_tables  # noqa: PLC0415 - loads Delta

        self._require_space(space)
        return list_tables(self._store, space)

    def table(self, name: Name) -> TableInfo:
        from klarity_storage.tables.describe import describe_table  # noqa: PLC0415 - loads Delta

        return describe_table(self.locate(name, Operation.READ))

    def locate(self, table: Name, operation: Operation) -> TableLocation:
        if self._directory is None:
            raise InvalidInputError(f"Tables need a directory or a server, not {self._store}.")
        return TableLocation(table, str(self._directory / str(table)), None)

    def binaries(self, table: Name, *, write: bool) -> ObjectStore:
        return self._store

    def delete_binaries(self, table: Name, rows: list[str], names: list[str] | None) -> int:
        from klarity_storage.tables.binaries import delete_raw_binaries  # noqa: PLC0415

        return delete_raw_binaries(self._store, table, rows, names)

    def issue(
        self,
        scope: str,
        operation: Operation,
        version: str | None,
        duration: int,
        adding: Adding | None = None,
    ) -> S3Credentials:
        raise InvalidInputError(
            f"Local mode has no credentials for {scope!r}: its files lie in {self.location}.",
            hint="Connect to a server: ks login URL.",
        )

    def _require_space(self, space: str) -> None:
        if space not in list_spaces(self._store):
            raise SpaceNotFoundError(
                f"There is no space {space!r}.", hint="ks space ls lists the spaces."
            )
