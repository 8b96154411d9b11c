"""One version: its files, to look at, fetch and read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from klarity_storage.cache.files import Cache
from klarity_storage.cache.source import Source
from klarity_storage.cache.trees import cached_tree
from klarity_storage.errors import FileMissingError
from klarity_storage.layout import Kind, Name
from klarity_storage.protocol.versions import VersionInfo
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.files import Files
from klarity_storage.versions.manifest import FileInfo, Manifest
from klarity_storage.versions.manifest_parts import StoredManifest
from klarity_storage.versions.progress import OnProgress
from klarity_storage.versions.pull import pull_tree
from klarity_storage.versions.read import open_file, read_range
from klarity_storage.versions.select import Folder, choose, files_at, list_folder

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

    def files(self, below: str | None = None) -> Files:
        """Its files, by path: all of them, or those at or below a path.

        A sequence: each is made when it is looked at, so that a million of them cost little.

        Raises:
            FileMissingError: there is nothing at that path.
        """
        if not (below or "").rstrip("/"):
            return self._manifest.files()
        return Files.of(files_at(self._manifest, below))

    def file(self, path: str) -> FileInfo:
        """One of its files, or FileMissingError."""
        return self._manifest.find(path)

    def folder(self, path: str = "") -> Folder:
        """What stands directly in a folder: its folders and its files; the top without a path.

        Read from the manifest; the bucket is never listed.

        Raises:
            FileMissingError: there is no such folder.
        """
        return list_folder(self._manifest, path)

    def manifest(self, *columns: str, below: str | None = None) -> pa.Table:
        """Its files as an Arrow table: path, size, sha256, media_type, extents.

        Where the version says how files are shown, role and overlay_of too.

        Args:
            columns: only these; what is not asked for is not read.
            below: only files at or below a path.

        Raises:
            FileMissingError: there is nothing at that path.
        """
        if not (below or "").rstrip("/"):
            return self._manifest.columns(*columns)
        return files_at(self._manifest, below).columns(*columns)

    def download(
        self,
        destination: str | os.PathLike[str],
        path: str | None = None,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        keep: bool = False,
        link: str | None = None,
        progress: OnProgress | None = None,
    ) -> Path:
        """Write files into a folder, each verified; see ``versions.pull.pull_tree``.

        Files that are there already with the same content stay. Nothing is overwritten.

        Args:
            destination: the folder; made when it is not there.
            path: one file, written by its name, or one folder, whose files are written by their
                paths in it; everything without it.
            include: globs on the whole path (``train/*``), of which one must fit; ``*`` stands for
                any characters, ``/`` among them; see ``versions.select.path_filter``.
            exclude: globs of which none may fit: ``*.tmp``.
            keep: whether the local cache keeps what is fetched; what it holds is used in any case.
            link: how files come out of the cache: ``reflink``, ``hard`` (the file is the cache's
                own and read-only) or ``copy``; ``KS_CACHE_LINK`` without it, or ``auto``: a reflink
                where the disk can, else a copy.
            progress: called while the files are fetched.

        Raises:
            AlreadyExistsError: a file is there with other content; nothing is written.
            FileMissingError: nothing fits.
            IntegrityError: stored bytes are damaged; all other files are written.
        """
        chosen, below = self._chosen(path, include, exclude)
        store = self._backend.reading_store(self.name)
        with told_as_ours("the local cache"):
            cache = Cache.open(make=keep)
            source: Source[FileInfo] | None = Source(cache, link=link, keep=keep) if cache else None
        return pull_tree(
            store,
            self.name,
            chosen,
            Path(destination),
            below=below,
            source=source,
            progress=progress,
        )

    def path(self) -> Path:
        """A local folder that holds all files, read-only, fetched once (see ``KS_CACHE``).

        The files are those of the local cache: reflinks or hard links where the disk can, and
        copies elsewhere. The folder stays at least as long as this process.
        """
        with told_as_ours("the local cache"):
            cache = Cache.open(make=True)
            source: Source[FileInfo] = Source(cache, shared=True, keep=True)
            store = self._backend.reading_store(self.name)
            return cached_tree(
                cache,
                self.hash,
                lambda folder: pull_tree(
                    store, self.name, self._manifest.all(), folder, source=source
                ),
            )

    def open(self, path: str) -> BinaryIO:
        """One file, to read and seek in.

        A file of up to 32 MiB is fetched whole and verified before this returns. Of a larger one,
        only what is read is fetched: reading it from the beginning to the end verifies it before
        the last block is handed over, but bytes that are read here and there cannot be verified,
        as the digest is of the whole; ``download`` always verifies.

        Raises:
            FileMissingError: there is no such file.
            IntegrityError: stored bytes are damaged; a large file's reading may raise it too.
        """
        file = self._manifest.find(path)
        return open_file(self._backend.reading_store(self.name), self.name, file)

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """The bytes of a file from one offset to another, not verified: its digest is of the whole.

        Raises:
            FileMissingError: there is no such file.
            IntegrityError: an object is missing or too short.
        """
        return read_range(
            self._backend.reading_store(self.name), self.name, self.file(path), start, end
        )

    def _chosen(
        self, path: str | None, include: Sequence[str], exclude: Sequence[str]
    ) -> tuple[Manifest, str]:
        """The files to download, and what their paths begin with that is left away."""
        there: Manifest | StoredManifest = self._manifest
        below = ""
        if path := (path or "").rstrip("/"):
            there = files_at(there, path)
            is_file = next(there.paths()) == path
            below = path[: path.rfind("/") + 1] if is_file else f"{path}/"
        if not include and not exclude:
            return there.all(), below
        chosen = choose(there, include, exclude)
        if not chosen:
            raise FileMissingError(
                f"No file of {self.name}@{self.hash[:12]} fits the globs.",
                hint="They are compared with the whole path: ks ls REF lists the files.",
            )
        return chosen, below

    @cached_property
    def _manifest(self) -> StoredManifest:
        return StoredManifest(self._backend.reading_store(self.name), self.name, self.info)
