"""Credentials of the S3 engine: what lets bytes flow between client and engine directly."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec

from klarity_storage.protocol.base import Request, Response

if TYPE_CHECKING:
    from obstore.store import ClientConfig

MIN_DURATION = 900
MAX_DURATION = 43_200


class Operation(StrEnum):
    """What credentials are asked for."""

    READ = "read"
    WRITE = "write"
    OVERWRITE = "overwrite"
    """Replace a table's rows, delete some or restore older ones: takes an owner."""
    VACUUM = "vacuum"
    """Delete files that a table needs no more, but none of its log: takes an owner."""
    DROP = "drop"
    """Delete a table, with the binaries of its rows: takes an owner."""


class Adding(Request, frozen=True):
    """What a push is about to upload, after what storage has already."""

    bytes: Annotated[int, msgspec.Meta(ge=0)]
    objects: Annotated[int, msgspec.Meta(ge=0)]


class CredentialsRequest(Request, frozen=True):
    scope: str
    """``space``, ``space/kind`` or ``space/kind/name``."""
    operation: Operation = Operation.READ
    version: str | None = None
    """The version hash that a push uploads to: required to write an artefact, model or dataset."""
    duration: Annotated[int, msgspec.Meta(ge=MIN_DURATION, le=MAX_DURATION)] = 3600
    """Seconds until they expire: 15 minutes to 12 hours."""
    adding: Adding | None = None
    """What they will add, where that is known: beyond the space's quota there are none."""


class S3Credentials(Response, frozen=True):
    """Where the engine is, and the keys to a part of it."""

    endpoint: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: datetime | None = None
    """None for keys that do not expire: the server's own."""
    prefixes: list[str] = []
    """The prefixes that the keys reach, each with its closing slash; all with an empty list."""

    @property
    def client_options(self) -> ClientConfig:
        """How obstore speaks to the engine.

        A request may take five minutes: several packs of 32 MiB share a slow line, and obstore's
        own thirty seconds would end all of them below 25 Mbit/s.
        """
        return {
            "allow_http": self.endpoint.startswith("http://"),
            "timeout": timedelta(minutes=5),
        }

    def __repr__(self) -> str:
        return (
            f"S3Credentials(endpoint={self.endpoint!r}, bucket={self.bucket!r}, "
            f"access_key_id={self.access_key_id!r}, expires_at={self.expires_at}, "
            f"prefixes={self.prefixes!r})"
        )
