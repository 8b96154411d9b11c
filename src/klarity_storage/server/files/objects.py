"""Find an object of a table: one of its files, or a binary of one of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from obstore import get as open_object

from klarity_storage.errors import (
    FileMissingError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)
from klarity_storage.layout import Name, check_path
from klarity_storage.server.context import Context
from klarity_storage.server.files.address import ObjectAddress
from klarity_storage.server.files.caller import require_reading
from klarity_storage.server.files.content import Content, Found, Listed, Part
from klarity_storage.server.files.folders import Page, object_page
from klarity_storage.server.files.types import content_type
from klarity_storage.tables.binaries import DIGEST
from klarity_storage.versions.engine_errors import told_as_ours

STATE: Final = "X-Klarity-State"
"""Of a yes about a file of a table: its ETag, by which what was kept of it is still right."""

_LOG: Final = "_delta_log/"
_NO_TAG: Final = '""'
_SEGMENT: Final = 64 << 20


def find_object(context: Context, address: ObjectAddress, page: Page) -> Found:
    """An object below a table's prefix or below that of its rows' binaries, or a list of them.

    What lies there is what the table's own S3 credentials read: its data files, those of older
    versions, its log, and what a writer has not committed yet. Which files make up a version, the
    log says.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        FileMissingError: there is no such object.
    """
    what = "binary" if address.of_rows else "file"
    about = f"{what} {address.path or '*'}"
    require_reading(context, address.table, about)
    if address.folder:
        told = f"the files of {address.table}"
        store = context.services.buckets.of(address.table.space).store
        return Listed(object_page(store, address.prefix, address.path, page, told))
    return _content(context, address)


def object_state(context: Context, table: Name, path: str) -> str:
    """The ETag of a data file of a table, whose bytes are the same for as long as it is.

    Raises:
        TableNotFoundError: there is no such table, or the caller may not see it.
        UnauthenticatedError: it is not public, and the request holds no token.
        FileMissingError: there is no such file, or not any more.
        InvalidInputError: it is one that may change.
    """
    address = ObjectAddress(table, table.prefix, check_path(path), folder=False)
    require_reading(context, table, f"file {path}")
    found = _content(context, address)
    if not found.lasting or found.etag == _NO_TAG:
        raise InvalidInputError("This file may change.", hint="Ask for a data file of the table.")
    return found.etag


def _content(context: Context, address: ObjectAddress) -> Content:
    key = address.prefix + address.path
    table = address.table
    store = context.services.buckets.of(table.space).store
    try:
        with told_as_ours(f"{address.path!r} of {table}"):
            found = open_object(store, key, options={"head": True})
    except NotFoundError as error:
        raise FileMissingError(
            f"{table} has no {'binary' if address.of_rows else 'file'} {address.path!r}.",
            hint="An address that ends in a slash lists what there is.",
        ) from error
    size, etag = found.meta["size"], found.meta["e_tag"] or ""

    def parts(start: int, end: int) -> Iterator[Part]:
        # another state of the object must not be mixed into this one
        for offset in range(start, end, _SEGMENT):
            yield Part(key, offset, min(_SEGMENT, end - offset), etag or None)

    return Content(
        store=store,
        path=address.path,
        size=size,
        etag=etag if etag.startswith('"') else f'"{etag}"',
        media_type=content_type(address.path),
        lasting=not address.of_rows and not address.path.startswith(_LOG),
        sha256=found.attributes.get(DIGEST) if address.of_rows else None,
        parts=parts,
        damaged=lambda: _damaged(address),
    )


def _damaged(address: ObjectAddress) -> IntegrityError:
    return IntegrityError(
        f"{address.path!r} of {address.table} changed while it was read, or is damaged.",
        hint="Ask again; if it stays, push it again.",
    )
