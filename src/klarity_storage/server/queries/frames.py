"""What the server and a query's process say to each other over a socket: a letter, then bytes."""

from __future__ import annotations

import asyncio
import struct
from enum import StrEnum
from typing import Final

import msgspec

from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.protocol.queries import TableQuery

_HEAD: Final = struct.Struct("<cI")


class Letter(StrEnum):
    """What a frame holds."""

    JOB = "J"
    LOCATION = "L"
    """To the process: where the table lies that it asked for."""
    PROBLEM = "P"
    """To the process: there is no such table. From it: why the query failed; its last frame."""
    TAKEN = "K"
    """From the process: the job has begun."""
    TABLE = "T"
    """From the process: which table it needs."""
    VERSION = "V"
    """From the process: which version of the table the rows are of."""
    PART = "C"
    """From the process: a piece of the Arrow stream that ends in the midst of a message."""
    DATA = "D"
    """From the process: a piece of the Arrow stream that ends a message."""
    DONE = "E"
    """From the process: that was all; its last frame."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One query: of one table, or in SQL."""

    rows: int
    """How many rows the answer may have."""
    table: TableKey | None = None
    page: TableQuery | None = None
    sql: str | None = None


class TableKey(msgspec.Struct, frozen=True):
    """The name of a table, as a query has it: it may break the naming rule."""

    space: str
    name: str


class Located(msgspec.Struct, frozen=True):
    """Where a table lies, with keys that read it and nothing else."""

    uri: str
    s3: S3Credentials


async def read_frame(reader: asyncio.StreamReader) -> tuple[Letter, bytes] | None:
    """The next frame, or None when the other side has gone."""
    try:
        letter, size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        return Letter(letter.decode()), await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def send_frame(
    writer: asyncio.StreamWriter, letter: Letter, content: bytes | memoryview = b""
) -> None:
    """Send a frame, once the other side has taken most of those before."""
    writer.write(_HEAD.pack(letter.encode(), len(content)))
    writer.write(content)
    await writer.drain()
