"""The file of a backup: JSON lines, compressed, with a checksum at the end.

First a line that says what it is; then for each table a line with its name and columns, and a line
for each of its rows; last a line with the number of rows and the SHA-256 of all lines before.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from klarity_storage.errors import AlreadyExistsError, IntegrityError, InvalidDataError
from klarity_storage.rename import rename_new

FORMAT: Final = "klarity-backup"
VERSION: Final = 1


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="backup"):
    """What a backup is of."""

    format: str
    version: int
    revision: str
    """The migration that its tables are of."""
    database: str
    """Which kind it was taken from: ``sqlite`` or ``postgresql``."""
    at: datetime


class Content(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    """The rows of a table follow."""

    name: str
    columns: list[str]


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """The last line."""

    rows: int
    sha256: str
    """Of all lines before this one."""


Row = list[Any]
_UNREADABLE: Final = (
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    msgspec.MsgspecError,
    UnicodeDecodeError,
)
_Line: Final = msgspec.json.Decoder(Header | Content | End | Row)


class BackupWriter:
    """Writes one line after the other."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._encoder = msgspec.json.Encoder()
        self.rows = 0

    def write(self, line: Header | Content | Sequence[Any]) -> None:
        encoded = self._encoder.encode(line) + b"\n"
        self._digest.update(encoded)
        self._stream.write(encoded)
        self.rows += not isinstance(line, Header | Content)

    def end(self) -> None:
        last = End(rows=self.rows, sha256=self._digest.hexdigest())
        self._stream.write(self._encoder.encode(last) + b"\n")


@contextmanager
def new_backup(file: Path, *, replace: bool) -> Iterator[BackupWriter]:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        AlreadyExistsError: it is there, and not to be replaced.
    """
    if not replace and file.exists():
        raise _exists(file)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw) as stream:
                writer = BackupWriter(stream)
                yield writer
                writer.end()
            raw.flush()
            os.fsync(raw.fileno())
        if replace:
            partial.replace(file)
        else:
            rename_new(str(partial), str(file))
    except FileExistsError:
        raise _exists(file) from None
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_header(file: Path) -> Header:
    """What a backup is of.

    Raises:
        InvalidDataError: the file is no backup, or one of a newer kind.
    """
    try:
        with gzip.open(file) as stream:
            first = _Line.decode(stream.readline())
    except _UNREADABLE:
        first = None
    if not isinstance(first, Header) or first.format != FORMAT:
        raise InvalidDataError(
            f"{file} is no backup of a control database.", hint="ks admin backup makes one."
        )
    if first.version != VERSION:
        raise InvalidDataError(
            f"{file} is a backup of version {first.version}, and this program reads {VERSION}.",
            hint="Take the version of klarity-storage that wrote it, or a later one.",
        )
    return first


def read_backup(file: Path) -> Iterator[Content | Row]:
    """The tables and rows of a backup; whoever reads must read on to the end before relying on it.

    Raises:
        InvalidDataError: the file is no backup, or one of a newer kind.
        IntegrityError: it is damaged, or not all of it is there.
    """
    read_header(file)
    digest, rows = hashlib.sha256(), 0
    try:
        with gzip.open(file) as stream:
            for number, line in enumerate(stream):
                decoded = _Line.decode(line)
                if isinstance(decoded, End):
                    if (decoded.rows, decoded.sha256) != (rows, digest.hexdigest()):
                        raise _damaged(file, "its checksum is another")
                    if stream.read(1):
                        raise _damaged(file, "it goes on behind its end")
                    return
                digest.update(line)
                if number:
                    rows += isinstance(decoded, list)
                    yield _inner(file, decoded)
    except _UNREADABLE as error:
        raise _damaged(file, f"{error}".rstrip(".")) from error
    raise _damaged(file, "its end is missing")


def _inner(file: Path, line: Header | Content | Row) -> Content | Row:
    if isinstance(line, Header):
        raise _damaged(file, "it begins twice")
    return line


def _damaged(file: Path, how: str) -> IntegrityError:
    return IntegrityError(
        f"The backup {file} is damaged: {how}.", hint="Take another one; nothing was changed."
    )


def _exists(file: Path) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"There is a file {file} already.", hint="Choose another name, or add --replace."
    )
