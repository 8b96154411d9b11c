"""Where a table lies, and with which keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from obstore.store import LocalStore, ObjectStore, S3Store

from klarity_storage.layout import Name
from klarity_storage.protocol.credentials import S3Credentials

if TYPE_CHECKING:
    from obstore.store import S3Config  # stands in its stubs only


class KeySource(Protocol):
    """Keys that are renewed while they are used; ``tables.lasting`` makes them."""

    def current(self) -> S3Credentials:
        """Keys that are good for a while from now."""

    def options(self) -> dict[str, str]:
        """Where object_store finds them, in place of the keys themselves."""


@dataclass(frozen=True, slots=True)
class TableLocation:
    """A table's name, its address, and the keys that reach it."""

    name: Name
    uri: str
    """``s3://bucket/vision/tables/runs``, or an absolute local path."""
    s3: S3Credentials | None = None
    """None for a local table."""
    renewed: KeySource | None = None
    """Keys in the place of those that end."""


Locate = Callable[[], TableLocation]
"""Finds a table anew, with fresh keys."""


def storage_options(s3: S3Credentials) -> dict[str, str]:
    """The keys and address as delta-rs, Polars and other users of Rust's object_store read them.

    >>> keys = S3Credentials(endpoint="http://127.0.0.1:8333", region="us-east-1",
    ...                      bucket="klarity", access_key_id="AKIA", secret_access_key="…")
    >>> storage_options(keys)["allow_http"]
    'true'
    """
    options = address_options(s3)
    options["aws_access_key_id"] = s3.access_key_id
    options["aws_secret_access_key"] = s3.secret_access_key
    if s3.session_token is not None:
        options["aws_session_token"] = s3.session_token
    return options


def address_options(s3: S3Credentials) -> dict[str, str]:
    """The same without keys."""
    options = {
        "aws_endpoint": s3.endpoint,
        "aws_region": s3.region,
        "aws_conditional_put": "etag",  # two writers never commit the same version
        "timeout": "300s",  # of one request: in the default 30 s a slow uplink fails at 5 MB
    }
    if s3.endpoint.startswith("http://"):
        options["allow_http"] = "true"
    return options


def delta_options(location: TableLocation) -> dict[str, str] | None:
    """What ``deltalake`` wants beside the address."""
    if location.s3 is None:
        return None
    if location.renewed is not None:
        return address_options(location.s3) | location.renewed.options()
    return storage_options(location.s3)


def open_store(location: TableLocation) -> ObjectStore:
    """The table's own prefix as a store.

    Raises:
        FileNotFoundError: a local table's directory is absent.
    """
    if location.s3 is None:
        return LocalStore(location.uri)
    s3 = location.renewed.current() if location.renewed is not None else location.s3
    config: S3Config = {
        "endpoint": s3.endpoint,
        "region": s3.region,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
    }
    if s3.session_token is not None:
        config["session_token"] = s3.session_token
    return S3Store(
        s3.bucket,
        prefix=location.uri.removeprefix(f"s3://{s3.bucket}/"),
        config=config,
        client_options=s3.client_options,
    )
