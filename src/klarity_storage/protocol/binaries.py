"""Binaries of a table's rows; their bytes go between client and engine."""

from __future__ import annotations

from typing import Annotated

import msgspec

from klarity_storage.protocol.base import Request, Response


class DeleteBinaries(Request, frozen=True):
    """Delete files of rows."""

    rows: Annotated[list[str], msgspec.Meta(min_length=1, max_length=500)]
    """Row indexes; an integer in decimal."""
    names: list[str] | None = None
    """Only these files of them; all without it."""


class DeletedBinaries(Response, frozen=True):
    files: int
    """How many there were."""
