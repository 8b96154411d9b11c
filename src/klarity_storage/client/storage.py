"""``Storage``: what a program holds to reach versions and tables. It delegates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from klarity_storage.cache.folder import cache_folder
from klarity_storage.cache.indexes import index_file
from klarity_storage.client.admin import Admin
from klarity_storage.client.backend import Backend
from klarity_storage.client.credentials import Credentials
from klarity_storage.client.references import bare_name, table_name, versioned
from klarity_storage.client.remote import RemoteBackend
from klarity_storage.client.table import Table
from klarity_storage.client.upkeep import Upkeep
from klarity_storage.client.version import Version
from klarity_storage.errors import InvalidInputError, SourceChangedError
from klarity_storage.layout import Kind, Name, Reference
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.server import Identity
from klarity_storage.protocol.spaces import Space
from klarity_storage.protocol.tables import TableName
from klarity_storage.protocol.versions import NameInfo, TagInfo
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.push import Description, push_tree
from klarity_storage.versions.stat_index import StatIndex

if TYPE_CHECKING:
    import datafusion

    from klarity_storage.tables.location import TableLocation

ALL = "all"
"""In the place of a space: the ``dataspaces`` of ``.safenai``, or every space."""

Mode = Literal["append", "overwrite", "error"]


class Storage(Upkeep):
    """A connection; make one with ``ks.connect()``.

    Example:
        >>> import klarity_storage as ks, pathlib, tempfile
        >>> home = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (home / "cat.txt").write_text("meow")
        >>> with ks.connect(home / "store") as storage:
        ...     version = storage.push("vision/datasets/cats", home / "cat.txt", message="one cat")
        ...     version.open("cat.txt").read()
        b'meow'
    """

    def __init__(
        self,
        backend: Backend,
        source: str,
        dataspaces: tuple[str, ...] = (),
        identity: Identity | None = None,
    ) -> None:
        self._backend = backend
        self._dataspaces = dataspaces
        self._identity = identity
        self.source = source
        """Where location and token came from, for a person."""

    def __repr__(self) -> str:
        return f"Storage({self.location!r}, mode={self.mode!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._backend.close()

    @property
    def mode(self) -> Literal["local", "server"]:
        return "server" if isinstance(self._backend, RemoteBackend) else "local"

    @property
    def location(self) -> str:
        """The server's base URL, or the directory."""
        return self._backend.location

    @property
    def admin(self) -> Admin:
        """Users, tokens and grants; only a server has them."""
        if not isinstance(self._backend, RemoteBackend):
            raise InvalidInputError(
                "Local mode has no users, tokens or grants.",
                hint="Connect to a server: ks login URL.",
            )
        return Admin(self._backend.http)

    def whoami(self) -> Identity:
        """Who the server takes the caller for, and what they were granted."""
        self._identity = self._backend.whoami()
        return self._identity

    def get_spaces(self) -> list[Space]:
        return self._backend.spaces()

    def create_space(self, key: str, description: str = "") -> Space:
        """Create a space; the caller becomes its owner."""
        return self._backend.create_space(key, description)

    def get_artefacts(self, space: str = ALL) -> list[NameInfo]:
        return self._names(space, Kind.ARTEFACTS)

    def get_models(self, space: str = ALL) -> list[NameInfo]:
        return self._names(space, Kind.MODELS)

    def get_datasets(self, space: str = ALL) -> list[NameInfo]:
        return self._names(space, Kind.DATASETS)

    def push(
        self,
        ref: str,
        source: str | os.PathLike[str],
        *,
        message: str = "",
        parents: Sequence[str] | None = None,
        lineage: Sequence[str] = (),
        metadata: dict[str, Any] | None = None,
        progress: OnProgress | None = None,
        trust_stat: bool = True,
    ) -> Version:
        """Push a file or folder as a version of an artefact, model or dataset.

        Args:
            ref: ``vision/datasets/cats``.
            source: what to push; empty folders are not kept.
            message: why, in one line.
            parents: version hashes of the same name; the latest version without it.
            lineage: references of what it was made from; tags are replaced by what they stand for.
            metadata: anything that JSON can hold, up to 64 KiB.
            progress: called while the push runs.
            trust_stat: whether a file is taken to be what it was at the last push when its size,
                inode and times are; otherwise every file is read.

        Returns:
            The version; the one that stands already when its content is the latest.

        Raises:
            InvalidPathError: a file name or link cannot be stored.
            SourceChangedError: a file changed meanwhile; nothing is committed.
            ForbiddenError: the caller may not write here.
        """
        name = bare_name(ref)
        description = Description(
            message=message,
            parents=self._pinned_parents(name, parents),
            lineage=[self._pinned(reference) for reference in lineage],
            metadata=metadata or {},
        )
        path = Path(source)
        index = StatIndex(cache_folder(), path)
        try:
            info = push_tree(
                self._backend,
                name,
                path,
                description,
                progress=progress,
                stat_index=index if trust_stat else None,
                content_index=index_file(self._backend.location, str(name)),
            )
        except SourceChangedError:
            index.forget()  # perhaps it is the index that is wrong of a file
            raise
        return Version(self._backend, info)

    def get_version(self, ref: str) -> Version:
        """The version that a reference stands for: the latest without tag or hash.

        Raises:
            VersionNotFoundError: there is none, or the caller may not see it.
            InvalidReferenceError: the reference cannot be read, or its hash is ambiguous.
        """
        reference = versioned(ref)
        info = self._backend.version(reference.name, reference.selector)
        return Version(self._backend, info)

    def get_versions(self, ref: str) -> list[Version]:
        """Every commit of a name, newest first."""
        name = bare_name(ref)
        versions = self._backend.versions(name)
        if not versions:
            self._backend.version(name, None)  # raises: there is no such name
        return [Version(self._backend, info) for info in versions]

    def tag(self, ref: str, tag: str) -> TagInfo:
        """Let a tag stand for a version: ``storage.tag("vision/datasets/cats@3f9a", "prod")``."""
        reference = versioned(ref)
        return self._backend.set_tag(reference.name, tag, reference.selector or "latest")

    def untag(self, ref: str, tag: str) -> None:
        """Take a tag away from a name."""
        self._backend.remove_tag(bare_name(ref), tag)

    def get_tags(self, ref: str) -> list[TagInfo]:
        """The tags of a name as they stand."""
        return self._backend.tags(bare_name(ref))

    def credentials(
        self,
        scope: str,
        write: bool = False,
        *,
        version: str | None = None,
        duration: int = 3600,
    ) -> Credentials:
        """Keys of the engine for other tools, scoped to what was asked and granted.

        Args:
            scope: ``space``, ``space/kind`` or ``space/kind/name``.
            write: whether they may write: a table, or one version's folder.
            version: the version hash that they may upload to.
            duration: seconds, 900 (15 minutes) to 43,200 (12 hours).

        Raises:
            ForbiddenError: the caller's grants do not reach so far.
        """
        operation = Operation.WRITE if write else Operation.READ
        return Credentials(self._backend, scope, operation, version=version, duration=duration)

    def get_data_tables(self, space: str = ALL, name: str | None = None) -> list[TableName]:
        """The tables of a space; ``name`` is a glob such as ``run*``."""
        return [
            TableName(space=table.space, name=table.name)
            for table in self._everywhere(space, self._backend.tables)
            if name is None or fnmatchcase(table.name, name)
        ]

    def get_data_table(self, space: str, name: str | None = None) -> Table:
        """A table, by ``("vision", "runs")`` or ``"vision/tables/runs"``."""
        table = table_name(space) if name is None else Name(space, Kind.TABLES, name)
        return Table(self._backend.table(table))

    def get_data_frame(
        self,
        table: Table | str,
        *filters: Any,
        columns: list[str] | None = None,
        version: int | None = None,
        timestamp: datetime | None = None,
        limit: int | None = None,
        context: datafusion.SessionContext | None = None,
    ) -> datafusion.DataFrame:
        """The rows of a table, lazily: nothing is fetched before they are collected.

        Args:
            table: a table, or ``vision/tables/runs``.
            filters: SQL text (``"score > 0.9"``) or DataFusion expressions; all must hold.
            columns: which columns; all without it.
            version: which version of the table; the newest without it.
            timestamp: the version of that time, with its zone.
            limit: at most so many rows.
            context: a session of yours, with functions of yours; frames of one can be joined.

        Raises:
            TableNotFoundError: there is no such table, or the caller may not see it.
            InvalidQueryError: a filter or column does not fit.
        """
        from klarity_storage.tables.scan import scan  # noqa: PLC0415 - loads DataFusion

        name = table.name if isinstance(table, Table) else table_name(table)
        return scan(
            self._backend.locate(name, Operation.READ),
            *filters,
            columns=columns,
            version=version,
            timestamp=timestamp,
            limit=limit,
            context=context,
        )

    def sql(
        self, query: str, *, context: datafusion.SessionContext | None = None
    ) -> datafusion.DataFrame:
        """Ask one question of one or several tables: ``select count(*) from vision.runs``.

        Raises:
            InvalidQueryError: the SQL cannot be read, or would change something.
            TableNotFoundError: there is no such table, or the caller may not see it.
        """
        from klarity_storage.tables.sql import sql  # noqa: PLC0415 - loads DataFusion

        def locate(space: str, table: str) -> TableLocation:
            return self._backend.locate(Name(space, Kind.TABLES, table), Operation.READ)

        return sql(query, locate, context)

    def push_data_frame(
        self,
        table: Table | str,
        data: Any,
        *,
        mode: Mode = "append",
        message: str = "",
        types: Mapping[str, Any] | None = None,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Table:
        """Write rows into a table, which is created when it is not there.

        Args:
            table: a table, or ``vision/tables/runs``.
            data: the path of a CSV or Parquet file (it streams), pandas, Polars, PyArrow, rows as
                dicts, or anything with ``__arrow_c_stream__``.
            mode: ``append``; ``overwrite`` replaces all rows and takes an owner; ``error`` fails
                when the table is there.
            message: why, in one line.
            types: of a CSV file's columns, Arrow's or their names: ``{"id": "int64"}``.
            description: of the table.
            metadata: of the table: what it says beside its description.

        Raises:
            SchemaMismatchError: columns or types do not fit the table; nothing is written.
            InvalidDataError: the data cannot be read; nothing is committed.
            ConflictError: somebody else was first.
        """
        from klarity_storage.tables.push import push_table  # noqa: PLC0415 - loads Delta

        name = table.name if isinstance(table, Table) else table_name(table)
        operation = Operation.OVERWRITE if mode == "overwrite" else Operation.WRITE
        info = push_table(
            lambda: self._backend.locate(name, operation),
            data,
            mode=mode,
            message=message,
            by=(self._identity or self.whoami()).principal,
            types=types,
            description=description,
            metadata=metadata,
        )
        return Table(info)

    def _names(self, space: str, kind: Kind) -> list[NameInfo]:
        return [
            NameInfo(space=name.space, kind=name.kind, name=name.name)
            for name in self._everywhere(space, lambda space: self._backend.names(space, kind))
        ]

    def _everywhere(self, space: str, find: Callable[[str], list[Name]]) -> list[Name]:
        if space != ALL:
            return find(space)
        spaces = self._dataspaces or [item.key for item in self._backend.spaces()]
        return [name for key in spaces for name in find(key)]

    def _pinned(self, reference: str) -> str:
        """A reference that means the same for ever."""
        parsed = Reference.parse(reference)
        if not parsed.name.kind.versioned:
            return reference
        info = self._backend.version(parsed.name, parsed.selector)
        return f"{parsed.name}@{info.version}"

    def _pinned_parents(self, name: Name, parents: Sequence[str] | None) -> list[str] | None:
        if parents is None:
            return None
        return [self._backend.version(name, parent).version for parent in parents]
