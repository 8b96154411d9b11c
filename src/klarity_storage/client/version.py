"""One version: its files, to look at, fetch and read."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from klarity_storage.cache.trees import cached_tree
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.manifest import FileInfo, Manifest, load_manifest
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.pull import pull_tree
from klarity_storage.versions.read import open_file

if TYPE_CHECKING:
    import pyarrow as pa

    from klarity_storage.client.backend import Backend


class Version:
    """A version of an artefact, model or dataset. It never changes.

    Example:
        >>> version = storage.get_version("vision/datasets/cats@prod")  # doctest: +SKIP
        >>> version.open("train/0001.png").read()  # doctest: +SKIP
    """

    def __init__(self, backend: Backend, info: VersionInfo) -> None:
        self._backend = backend
        self.info = info
        """Who committed what, when, from what."""

    def __repr__(self) -> str:
        return f"Version({self.ref[:-52]!r}, files={self.info.files}, bytes={self.info.bytes})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.ref == other.ref

    def __hash__(self) -> int:
        return hash(self.ref)

    @property
    def name(self) -> Name:
        return Name(self.info.space, Kind(self.info.kind), self.info.name)

    @property
    def hash(self) -> str:
        """The version hash: SHA-256, 64 hexadecimal digits."""
        return self.info.version

    @property
    def ref(self) -> str:
        """The reference that always means this version: ``vision/datasets/cats@<hash>``."""
        return f"{self.name}@{self.hash}"

    def files(self) -> list[FileInfo]:
        """Its files, by path."""
        return list(self._manifest)

    def manifest(self) -> pa.Table:
        """Its files as an Arrow table: path, size, sha256, media_type, extents."""
        return self._manifest.table

    def download(
        self, destination: str | os.PathLike[str], *, progress: OnProgress | None = None
    ) -> Path:
        """Write all files into a folder, each verified; see ``versions.pull.pull_tree``.

        Files that are there already with the same content stay. Nothing is overwritten.

        Raises:
            AlreadyExistsError: a file is there with other content; nothing is written.
            IntegrityError: stored bytes are damaged; that file is not written.
        """
        store = self._backend.reading_store(self.name)
        return pull_tree(store, self.name, self._manifest, Path(destination), progress=progress)

    def path(self) -> Path:
        """A local folder that holds all files, read-only, fetched once (see ``KS_CACHE``)."""
        return cached_tree(self.hash, self.download)

    def open(self, path: str) -> BinaryIO:
        """One file, verified, to read and seek in.

        Raises:
            FileMissingError: there is no such file.
            IntegrityError: stored bytes are damaged.
        """
        file = self._manifest.find(path)
        return open_file(self._backend.reading_store(self.name), self.name, file)

    @cached_property
    def _manifest(self) -> Manifest:
        store = self._backend.reading_store(self.name)
        return load_manifest(store, self.name, self.hash, self.info.manifest)
