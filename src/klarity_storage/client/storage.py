"""``Storage``: what a program holds to reach versions and tables. It delegates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from klarity_storage.cache.folder import cache_folder
from klarity_storage.cache.indexes import index_file
from klarity_storage.client.connection import ALL
from klarity_storage.client.credentials import Credentials
from klarity_storage.client.references import bare_name, versioned
from klarity_storage.client.table_cache import TableCache
from klarity_storage.client.upkeep import Upkeep
from klarity_storage.client.version import Version
from klarity_storage.client.web import Web
from klarity_storage.errors import SourceChangedError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.credentials import Operation
from klarity_storage.protocol.versions import NameInfo, TagInfo
from klarity_storage.versions.display import parse_display
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.push import Description, push_tree
from klarity_storage.versions.stat_index import StatIndex


class Storage(Upkeep, TableCache, Web):
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
        display: Mapping[str, str] | None = None,
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
            display: what files are to a viewer, by path: ``{"scan.png": "image", "mask.png":
                "overlay of scan.png", "rows.parquet": "table"}``. Without it nothing is said of new
                content, and content that is there already stays shown as it is.
            progress: called while the push runs.
            trust_stat: whether a file is taken to be what it was at the last push when its size,
                inode and times are; otherwise every file is read.

        Returns:
            The version; the one that stands already when its content is the latest, and shown so.

        Raises:
            InvalidPathError: a file name or link cannot be stored.
            InvalidInputError: ``display`` cannot be read, names a file that is not there, or lays
                something over what is no image.
            SourceChangedError: a file changed meanwhile; nothing is committed.
            ForbiddenError: the caller may not write here.
        """
        name = bare_name(ref)
        description = Description(
            message=message,
            parents=self._pinned_parents(name, parents),
            lineage=[self._pinned(reference) for reference in lineage],
            metadata=metadata or {},
            display=None if display is None else parse_display(display),
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

    def _names(self, space: str, kind: Kind) -> list[NameInfo]:
        return [
            NameInfo(space=name.space, kind=name.kind, name=name.name)
            for name in self._everywhere(space, lambda space: self._backend.names(space, kind))
        ]

    def _pinned_parents(self, name: Name, parents: Sequence[str] | None) -> list[str] | None:
        if parents is None:
            return None
        return [self._backend.version(name, parent).version for parent in parents]
