"""``ks://`` for pandas, PyArrow, Dask and whatever else reads through fsspec.

    pandas.read_parquet("ks://vision/datasets/cats@prod/labels.parquet")
    pandas.read_csv("ks://vision/datasets/cats/labels.csv", storage_options={"at": "./store"})

Installed with ``pip install klarity-storage[fsspec]``, and found by fsspec without an import.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO, Final

from fsspec.spec import AbstractFileSystem

from klarity_storage.client.connect import connect
from klarity_storage.client.storage import Storage
from klarity_storage.client.version import Version
from klarity_storage.errors import (
    FileMissingError,
    InvalidInputError,
    NotFoundError,
    StorageError,
)
from klarity_storage.layout import VERSIONED_KINDS, Kind, Reference, parse_kind
from klarity_storage.versions.manifest import FileInfo

FRESH: Final = 10.0
"""Seconds for which a tag or the latest version is taken to mean what it meant."""

WORKERS: Final = 8
_NAME_PARTS: Final = 3


class KlarityFileSystem(AbstractFileSystem):  # type: ignore[misc]  # no types are shipped
    """The versions of a server or directory, read-only.

    Paths are ``space/kind/name[@tag-or-hash]/path``. Folders are listed from the manifest of the
    version, never from the bucket. What a tag, or no tag, means is looked up again after ten
    seconds: to read many files of one version for longer, write its hash (``version.ref``).

    Args:
        at: a server's URL or a directory; ``KS_URL`` or ``.safenai`` without it. The token comes
            from ``KS_TOKEN`` or ``.safenai``, never from here: options are pickled and shown.
    """

    protocol = "ks"
    root_marker = ""

    def __init__(self, at: str | None = None, **options: Any) -> None:
        super().__init__(at=at, **options)
        self._at = at
        self._resolved: dict[str, tuple[float, Version]] = {}
        self._lock = threading.Lock()

    @cached_property
    def _storage(self) -> Storage:
        return connect(self._at)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look up tags anew."""
        del path
        with self._lock:
            self._resolved.clear()

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What stands in a folder: spaces, kinds, names, or folders and files of a version."""
        del options
        path = self._strip_protocol(path)
        found = self._above(path) if path.count("/") < _NAME_PARTS - 1 else self._inside(path)
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What is known of a file or folder: name, size in bytes, type; of a file its SHA-256."""
        del options
        path = self._strip_protocol(path)
        if path.count("/") < _NAME_PARTS - 1:
            if path:
                self._above(path)  # raises: there is no such space or kind
            return _folder(path)
        version, inner, root = self._find(path)
        try:
            return _file(root, version.file(inner))
        except FileMissingError:
            if inner:
                version.folder(inner)  # raises: there is no such folder
            return _folder(path)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Every file below a path."""
        path = self._strip_protocol(path)
        if maxdepth is not None or withdirs or path.count("/") < _NAME_PARTS - 1:
            return super().find(path, maxdepth, withdirs, detail, **options)
        try:
            version, inner, root = self._find(path)
            found = {f"{root}/{file.path}": _file(root, file) for file in version.files(inner)}
        except NotFoundError:
            found = {}
        return found if detail else list(found)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """The bytes of a file, verified, or a range of it, which cannot be."""
        del options
        version, inner, _ = self._find(self._strip_protocol(path))
        if start is None and end is None:
            with version.open(inner) as whole:
                return whole.read()
        size = version.file(inner).size
        first, last, _ = slice(start, end).indices(size)
        return version.read_range(inner, first, last) if first < last else b""

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **options: Any,
    ) -> list[Any]:
        """Ranges of several files, several at once."""
        del max_gap, options
        count = len(paths)
        starts = starts if isinstance(starts, list) else [starts] * count
        ends = ends if isinstance(ends, list) else [ends] * count

        def one(item: tuple[str, int | None, int | None]) -> bytes | StorageError:
            try:
                return self.cat_file(*item)
            except StorageError as error:
                if on_error != "return":
                    raise
                return error

        with ThreadPoolExecutor(WORKERS, "ks-ranges") as pool:
            return list(pool.map(one, zip(paths, starts, ends, strict=True)))

    def created(self, path: str) -> datetime:
        """When the version was committed."""
        return self._find(self._strip_protocol(path))[0].info.at

    modified = created

    def ukey(self, path: str) -> str:
        """The SHA-256 of a file."""
        version, inner, _ = self._find(self._strip_protocol(path))
        return version.file(inner).sha256

    def _open(self, path: str, mode: str = "rb", **options: Any) -> BinaryIO:
        del options
        if mode != "rb":
            raise InvalidInputError(
                f"{path!r} cannot be opened to write: versions never change.",
                hint="storage.push(…) makes a new version.",
            )
        version, inner, _ = self._find(path)
        return version.open(inner)

    def _find(self, path: str) -> tuple[Version, str, str]:
        """The version that a path lies in, the path in it, and the path of its top."""
        root = "/".join(path.split("/")[:_NAME_PARTS])
        now = time.monotonic()
        with self._lock:
            looked_up, version = self._resolved.get(root, (0.0, None))
        if version is None or now - looked_up > FRESH:
            version = self._look_up(root, version)
            with self._lock:
                self._resolved[root] = now, version
        return version, path[len(root) + 1 :], root

    def _look_up(self, root: str, known: Version | None) -> Version:
        reference = Reference.parse(root)
        if known and reference.selector == known.hash:
            return known
        try:
            found = self._storage.get_version(root)
        except FileNotFoundError:
            raise
        except NotFoundError as error:  # fsspec knows what is missing by Python's own error
            raise FileMissingError(error.message, hint=error.hint) from error
        return known if known is not None and known == found else found  # its manifest is here

    def _inside(self, path: str) -> list[dict[str, Any]]:
        version, inner, root = self._find(path)
        try:
            folder = version.folder(inner)
        except FileMissingError:
            return [_file(root, version.file(inner))]
        folders = [_folder(f"{root}/{each}") for each in folder.folders]
        return folders + [_file(root, file) for file in folder.files]

    def _above(self, path: str) -> list[dict[str, Any]]:
        if not path:
            return [_folder(space.key) for space in self._storage.get_spaces()]
        space, _, kind = path.partition("/")
        if not kind:
            return [_folder(f"{space}/{each}") for each in VERSIONED_KINDS]
        names = {
            Kind.ARTEFACTS: self._storage.get_artefacts,
            Kind.MODELS: self._storage.get_models,
            Kind.DATASETS: self._storage.get_datasets,
        }.get(parse_kind(kind))
        if names is None:
            raise FileMissingError(f"{path!r} holds no versions of files.")
        return [_folder(f"{path}/{name.name}") for name in names(space)]


def _folder(path: str) -> dict[str, Any]:
    return {"name": path, "size": 0, "type": "directory"}


def _file(root: str, file: FileInfo) -> dict[str, Any]:
    return {
        "name": f"{root}/{file.path}",
        "size": file.size,
        "type": "file",
        "sha256": file.sha256,
        "media_type": file.media_type,
    }
