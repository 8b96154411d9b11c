"""Find a file of a version: by its hash, or where the hash is."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from obstore.store import ObjectStore

from klarity_storage.errors import FileMissingError
from klarity_storage.layout import Name
from klarity_storage.protocol.log import Commit
from klarity_storage.server.context import Context
from klarity_storage.server.files.address import TreeAddress
from klarity_storage.server.files.caller import require_reading
from klarity_storage.server.files.content import Content, Found, Listed, Moved, Part
from klarity_storage.server.files.folders import Page, tree_page
from klarity_storage.server.files.opened import RECENT, Opened
from klarity_storage.server.files.types import content_type
from klarity_storage.server.rights.targets import absent
from klarity_storage.server.services import Services
from klarity_storage.versions.history import History
from klarity_storage.versions.manifest import FileInfo
from klarity_storage.versions.ranges import pieces, within
from klarity_storage.versions.read import damaged

_HASH: Final = 64
_SEGMENT: Final = 64 << 20
"""Bytes that are asked for with one request of the engine at most."""


def find_in_tree(context: Context, address: TreeAddress, page: Page) -> Found:
    """A file or folder of a version; where it is, when the address holds no whole hash.

    Raises:
        VersionNotFoundError: there is no such name or version, or the caller may not see it.
        InvalidReferenceError: the selector fits several versions.
        FileMissingError: the version has no such file.
        IntegrityError: the manifest is damaged.
    """
    name = address.name
    pattern = require_reading(context, name, _about(address))
    services = context.services
    looked = time.monotonic()
    store = services.buckets.of(name.space).store
    history = _history(services, store, address)
    if not history.commits:
        raise absent(pattern)
    info = history.resolve(address.selector)
    if info.version != address.selector:
        return Moved(address.pinned(info.version))
    manifest = services.files.manifests.of(store, name, info)
    if address.folder:
        return Listed(tree_page(manifest, info.version, address.path, page))
    opened = Opened(store, history, history.commits[info.seq], manifest, looked)
    services.files.opened.keep(name, opened)
    try:
        return tree_content(services, store, opened.commit, name, manifest.find(address.path))
    except FileMissingError as error:
        if manifest.between(f"{address.path}/", f"{address.path}0"):  # "0" follows "/"
            raise FileMissingError(
                f"{address.path!r} is a folder.", hint="Its address ends in a slash."
            ) from error
        raise


def check_version(context: Context, name: Name, version: str) -> None:
    """Pass where a file of the version would be looked for, or raise what reading it would.

    Raises:
        VersionNotFoundError: there is no such name or version, or the caller may not see it.
        UnauthenticatedError: it is not public, and the request holds no token.
    """
    pattern = require_reading(context, name, f"version {version}: its files")
    address = TreeAddress(name, version, "", folder=True)
    store = context.services.buckets.of(name.space).store
    history = _history(context.services, store, address)
    if not history.commits:
        raise absent(pattern)
    history.resolve(version)


def find_at_hand(context: Context, address: TreeAddress) -> Content | None:
    """A file of a version, where finding it takes no look at storage and at the database.

    None where it does, or where the file is not there: then nothing was decided or recorded yet.
    """
    services, name = context.services, address.name
    opened = services.files.opened.get(name, address.selector)
    if opened is None or services.histories.recent(name, RECENT) is not opened.history:
        return None
    if not (services.audit.at_once and services.rights.decides_at_hand(context.actor, name.space)):
        return None
    file = None if address.folder else opened.manifest.at_hand(address.path)
    if file is None:
        return None
    require_reading(context, name, _about(address))
    return tree_content(services, opened.store, opened.commit, name, file)


def _about(address: TreeAddress) -> str:
    return f"version {address.selector}: {address.path or 'its folder'}"


def _history(services: Services, store: ObjectStore, address: TreeAddress) -> History:
    """What the log says now, or said just now of the bytes of a version, which never change."""
    if len(address.selector) == _HASH and not address.folder:
        recent = services.histories.read(store, address.name, within=RECENT)
        if any(commit.version == address.selector for commit in recent.commits.values()):
            return recent
    return services.histories.read(store, address.name)


def tree_content(
    services: Services, store: ObjectStore, commit: Commit, name: Name, file: FileInfo
) -> Content:
    """A file of a version, as its commit says where it lies."""
    confirmed = services.files.confirmed

    def parts(start: int, end: int) -> Iterator[Part]:
        for extent in pieces(within(file.extents, start, end), _SEGMENT):
            etag = _etag_of(commit, extent.object)
            yield Part(name.object_key(extent.object), extent.offset, extent.length, etag)

    async def settle(part: Part) -> str:
        return await confirmed.state(content, part)

    def thumbnail(width: int) -> str:
        # with what its bytes lie in, which other versions may share, it goes
        return name.thumbnail_key(file.extents[0].object[:_HASH], file.sha256, width)

    content = Content(
        store=store,
        path=file.path,
        size=file.size,
        etag=f'"{file.sha256}"',
        media_type=content_type(file.path),
        lasting=True,
        sha256=file.sha256,
        parts=parts,
        damaged=lambda: damaged(name, file),
        settle=settle,
        thumbnail=thumbnail if file.extents else None,
    )
    return content


def _etag_of(commit: Commit, key: str) -> str | None:
    """The ETag that an object had when it was committed, where the engine's is stable."""
    objects = commit.objects
    at = bisect_left(objects, key, key=lambda stored: stored.key)
    return objects[at].etag if at < len(objects) and objects[at].key == key else None
