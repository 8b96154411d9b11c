"""Binaries of a table's rows: objects beside the table, each whole or not there."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

import obstore
from obstore.store import LocalStore, ObjectStore

from klarity_storage.errors import (
    FileMissingError,
    IntegrityError,
    InvalidInputError,
    SourceChangedError,
)
from klarity_storage.layout import (
    Name,
    parse_row_segment,
    raw_binary_key,
    raw_binary_prefix,
    raw_row_prefix,
    row_segment,
)
from klarity_storage.tables.failures import told_as_ours

RowIndex = int | str

DIGEST: Final = "sha256"
"""The object's metadata (``x-amz-meta-sha256``) that holds its SHA-256, in hexadecimal."""

AT_ONCE: Final = 16
"""Objects that are under way at once: each waits for the engine, not for us."""

WORTH_ASKING: Final = 64 << 10
"""Bytes from which on it is asked whether a file is there: fewer are sent as fast as asked."""

_BLOCK: Final = 1 << 20
_WINDOW: Final = 1024

_PAGE: Final = 1000
"""Keys that a store lists at once."""

_HIGHEST: Final = "\U0010ffff"
"""Behind whatever a file of a row is called."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file on its way to a row."""

    row: RowIndex
    name: str
    content: bytes | Path


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What a push did."""

    files: int
    """Sent."""
    bytes: int
    """Sent."""
    kept: int
    """Files that were there already."""


def list_rows(store: ObjectStore, table: Name) -> list[str]:
    """The indexes of the rows that have binaries, as text; no file is listed."""
    prefix = raw_binary_prefix(table)
    with told_as_ours(table):
        found = obstore.list_with_delimiter(store, prefix)["common_prefixes"]
    segments = (path.rstrip("/").rpartition("/")[2] for path in found)
    return sorted(row for row in map(parse_row_segment, segments) if row is not None)


def rows_after(store: ObjectStore, table: Name, after: RowIndex | None = None) -> Iterator[str]:
    """The same indexes one by one, in the order of storage, those behind ``after`` alone.

    A directory tells its keys in no order, so they are sorted first.
    """
    if isinstance(store, LocalStore):
        last = "" if after is None else row_segment(after)
        segments = sorted(map(row_segment, list_rows(store, table)))
        found = iter([segment for segment in segments if segment > last])
    else:
        found = _segments(store, table, None if after is None else row_segment(after))
    yield from (row for row in map(parse_row_segment, found) if row is not None)


def _segments(store: ObjectStore, table: Name, last: str | None) -> Iterator[str]:
    """The rows' folders behind one of them; of a row of very many files a page is looked at."""
    prefix = raw_binary_prefix(table)
    while True:
        offset = None if last is None else f"{prefix}{last}/{_HIGHEST}"
        with told_as_ours(table):
            page = next(iter(obstore.list(store, prefix, offset=offset, chunk_size=_PAGE)), ())
        for meta in page:
            segment, slash, _ = meta["path"][len(prefix) :].partition("/")
            if slash and segment != last:
                last = segment
                yield segment
        if len(page) < _PAGE:
            return


def list_files(store: ObjectStore, table: Name, row: RowIndex) -> list[tuple[str, int]]:
    """Name and size, in bytes, of a row's files."""
    prefix = raw_row_prefix(table, row)
    with told_as_ours(table):
        pages = list(obstore.list(store, prefix))
    # stores give their keys back without the closing slash of a prefix
    return sorted((meta["path"][len(prefix) :], meta["size"]) for page in pages for meta in page)


def files_after(
    store: ObjectStore, table: Name, row: RowIndex, after: str | None = None
) -> Iterator[tuple[str, int]]:
    """The same files one by one, in the order of storage, those behind ``after`` alone.

    Only as many keys are listed as are taken, a request of the store's at least. Storage orders by
    name; where an engine keeps folders, what lies in one comes where the folder's name does.

    Raises:
        InvalidInputError: no file is called ``after``.
    """
    if isinstance(store, LocalStore):  # a directory tells its keys in no order
        yield from (file for file in list_files(store, table, row) if not after or file[0] > after)
        return
    prefix = raw_row_prefix(table, row)
    with told_as_ours(table):
        try:
            pages = obstore.list(store, prefix, offset=f"{prefix}{after}" if after else None)
        except ValueError:
            raise InvalidInputError(
                f"No binary is called {after!r}.", hint="Give the next of the page before."
            ) from None
        for page in pages:
            yield from ((meta["path"][len(prefix) :], meta["size"]) for meta in page)


def put_files(store: ObjectStore, table: Name, uploads: Iterable[Upload]) -> Uploaded:
    """Upload files, several at once; one that is there already with the same content is not sent.

    A file appears whole or not at all. What came before a failure stays, and is not sent again.

    Raises:
        SourceChangedError: a file changed while it was read; it may be sent, but not what is told.
        ForbiddenError: the keys may not write here.
    """
    files = sent = kept = 0
    waiting = iter(uploads)
    with ThreadPoolExecutor(AT_ONCE, "ks-binaries") as pool:
        while window := list(islice(waiting, _WINDOW)):
            for size in pool.map(lambda upload: _put(store, table, upload), window):
                files, sent, kept = (
                    (files, sent, kept + 1) if size is None else (files + 1, sent + size, kept)
                )
    return Uploaded(files, sent, kept)


def fetch(store: ObjectStore, table: Name, row: RowIndex, name: str) -> Iterator[bytes]:
    """The bytes of a file, in order; the last block comes only after the digest fits.

    Raises:
        FileMissingError: the row has no such file.
        IntegrityError: the object is not what was put there.
    """
    with told_as_ours(table):
        try:
            found = obstore.get(store, raw_binary_key(table, row, name))
        except FileNotFoundError:
            raise missing(table, row, name) from None
        digest, size = hashlib.sha256(), 0
        held = b""
        for block in found.stream(_BLOCK):
            data = bytes(block)
            digest.update(data)
            size += len(data)
            if held:
                yield held
            held = data
    wanted = found.attributes.get(DIGEST)
    if size != found.meta["size"] or wanted not in {None, digest.hexdigest()}:
        raise damaged(table, row, name)
    yield held


def fetch_range(
    store: ObjectStore, table: Name, row: RowIndex, name: str, start: int, end: int
) -> bytes:
    """Some bytes of a file, not verified: a digest is of the whole."""
    with told_as_ours(table):
        try:
            key = raw_binary_key(table, row, name)
            return bytes(obstore.get_range(store, key, start=start, end=end))
        except FileNotFoundError:
            raise missing(table, row, name) from None


def digest_of(store: ObjectStore, table: Name, row: RowIndex, name: str) -> str | None:
    """The SHA-256 that was put beside a file; None in a directory, and of other tools' objects."""
    found = _look(store, table, raw_binary_key(table, row, name))
    if found is None:
        raise missing(table, row, name)
    return found[1]


def delete_raw_binaries(
    store: ObjectStore, table: Name, rows: Iterable[RowIndex], names: Iterable[str] | None = None
) -> int:
    """Delete the files of rows, or those of these names, and say how many there were.

    Takes keys that delete: the server's own, or a directory.
    """
    wanted = None if names is None else set(names)
    keys = [
        raw_binary_key(table, row, name)
        for row in rows
        for name, _ in list_files(store, table, row)
        if wanted is None or name in wanted
    ]
    if isinstance(store, LocalStore) and store.prefix is not None:
        store = LocalStore(store.prefix, automatic_cleanup=True)
    with told_as_ours(table, writing=True):
        for start in range(0, len(keys), _WINDOW):
            obstore.delete(store, keys[start : start + _WINDOW])
        if not isinstance(store, LocalStore):
            _sweep(store, table, keys)
    return len(keys)


def media_type_of(name: str) -> str:
    """By the name's ending, as browsers are told.

    >>> media_type_of("scan.png")
    'image/png'
    """
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def missing(table: Name, row: RowIndex, name: str | None = None) -> FileMissingError:
    """The row has no such file, or none at all."""
    what = "no binaries" if name is None else f"no binary {name!r}"
    return FileMissingError(
        f"The row {row!r} of {table} has {what}.", hint=f"ks raw ls {table} lists what there is."
    )


def damaged(table: Name, row: RowIndex, name: str) -> IntegrityError:
    """The object is not what was put there."""
    return IntegrityError(
        f"The binary {name!r} of row {row!r} of {table} is damaged in storage.",
        hint="Push it again.",
    )


def _sweep(store: ObjectStore, table: Name, keys: Iterable[str]) -> None:
    """Delete folders that are empty now: engines that have some would go on listing the rows.

    A folder that is not empty stays, and where there are only keys there is no such key.
    """
    top = raw_binary_prefix(table)
    folders = {
        str(folder)
        for key in keys
        for folder in PurePosixPath(key).parents
        if str(folder).startswith(top)
    }
    for folder in sorted(folders, key=len, reverse=True):
        obstore.delete(store, folder)


def _put(store: ObjectStore, table: Name, upload: Upload) -> int | None:
    """Send one file and return its size, or None where it is there already."""
    key = raw_binary_key(table, upload.row, upload.name)
    size, before = _size(upload.content)
    digest = _digest(upload.content)
    if size >= WORTH_ASKING and _is_there(store, table, key, size, digest):
        return None
    # a directory keeps no metadata
    attributes = (
        None
        if isinstance(store, LocalStore)
        else {"Content-Type": media_type_of(upload.name), DIGEST: digest}
    )
    with told_as_ours(table, writing=True):
        obstore.put(store, key, upload.content, attributes=attributes)
    if _size(upload.content) != (size, before):
        raise SourceChangedError(
            f"{upload.name!r} changed while it was pushed.", hint="Push it again."
        )
    return size


def _is_there(store: ObjectStore, table: Name, key: str, size: int, digest: str) -> bool:
    found = _look(store, table, key)
    if found is None or found[0] != size:
        return False
    if isinstance(store, LocalStore):
        with told_as_ours(table):
            whole = hashlib.sha256()
            for block in obstore.get(store, key).stream(_BLOCK):
                whole.update(block)
        return whole.hexdigest() == digest
    return found[1] == digest


def _look(store: ObjectStore, table: Name, key: str) -> tuple[int, str | None] | None:
    """Size and digest of an object, or None where there is none."""
    with told_as_ours(table):
        try:
            found = obstore.get(store, key, options={"head": True})
        except FileNotFoundError:
            return None
        return found.meta["size"], found.attributes.get(DIGEST)


def _size(content: bytes | Path) -> tuple[int, int]:
    """Size and time of change."""
    if isinstance(content, bytes):
        return len(content), 0
    stat = content.stat()
    return stat.st_size, stat.st_mtime_ns


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
