"""List folders, a page at a time: of a version from its manifest, of a table from the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from obstore.store import ObjectStore

from klarity_storage.errors import FileMissingError, InvalidPathError
from klarity_storage.protocol.files import FolderEntry, FolderPage
from klarity_storage.server.files.types import content_type
from klarity_storage.versions.engine_errors import told_as_ours
from klarity_storage.versions.manifest import FileInfo, Manifest, after
from klarity_storage.versions.manifest_parts import StoredManifest

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta

USUAL: Final = 1000
"""Entries of a page, unless another number is asked for."""

MOST: Final = 10_000
"""Entries of a page: as many as a row group of a manifest has."""

_END: Final = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries of a folder are asked for."""

    after: str = ""
    """The entry that they come behind."""
    limit: int = USUAL
    recursive: bool = False
    """Whether files in folders are listed too, in place of the folders."""


def tree_page(manifest: StoredManifest, version: str, path: str, page: Page) -> FolderPage:
    """What stands directly in a folder of a version, or all files below it.

    Of a large manifest only the row groups are read that the page lies in: what lies in a folder
    that is listed already is stepped over.

    Raises:
        FileMissingError: there is no such folder.
    """
    prefix = f"{path}/" if path else ""
    end = f"{path}0" if path else _END  # "0" follows "/"
    low = _behind(prefix, page.after)
    entries: list[FolderEntry] = []
    while files := manifest.first_between(low, end):
        for file in Manifest(files.table.slice(0, page.limit + 1)):
            if len(entries) == page.limit:
                following = entries[-1].name
                return FolderPage(path=path, entries=entries, version=version, next=following)
            entries.append(_entry(prefix, file, page))
            low = _behind(prefix, entries[-1].name)
            if entries[-1].size is None:
                break
    if path and not entries and not page.after:
        raise FileMissingError(f"The version has no folder {path!r}.", hint="ks ls lists it.")
    return FolderPage(path=path, entries=entries, version=version)


def object_page(store: ObjectStore, prefix: str, path: str, page: Page, what: str) -> FolderPage:
    """The objects below a folder of the bucket, in the folders in it too, by key.

    Args:
        store: the bucket.
        prefix: of all that the caller may see; ends in a slash.
        path: of the folder, below the prefix.
        page: which of them.
        what: what is listed, for errors.

    Raises:
        FileMissingError: there is nothing.
        InvalidPathError: the entry that they come behind cannot be one.
    """
    folder = f"{prefix}{path}/" if path else prefix
    found: list[FolderEntry] = []
    with told_as_ours(what):
        for chunk in _chunks(store, folder, page):
            found += [
                FolderEntry(name=name, size=meta["size"], media_type=content_type(name))
                for meta in chunk
                if (name := meta["path"][len(folder) :])
            ]
            if len(found) > page.limit:
                break
    if not found and not page.after:
        raise FileMissingError(f"There is nothing in {folder}.", hint="Check the path.")
    entries = found[: page.limit]
    more = len(found) > page.limit
    return FolderPage(path=path, entries=entries, next=entries[-1].name if more else None)


def _chunks(store: ObjectStore, folder: str, page: Page) -> ListStream[Sequence[ObjectMeta]]:
    try:
        return store.list(folder, offset=folder + page.after, chunk_size=page.limit + 1)
    except ValueError as error:
        raise InvalidPathError(
            f"{page.after!r} is no entry of a listing.", hint="Send `next` of the page before."
        ) from error


def _entry(prefix: str, file: FileInfo, page: Page) -> FolderEntry:
    name, slash, rest = file.path[len(prefix) :].partition("/")
    if slash and not page.recursive:
        return FolderEntry(name=name + slash)
    return FolderEntry(
        name=name + slash + rest,
        size=file.size,
        sha256=file.sha256,
        media_type=content_type(file.path),
        role=file.role,
        overlay_of=file.overlay_of,
    )


def _behind(prefix: str, entry: str) -> str:
    """The first path that may stand behind an entry: a folder's content is stepped over."""
    if not entry:
        return prefix
    return f"{prefix}{entry[:-1]}0" if entry.endswith("/") else after(prefix + entry)
