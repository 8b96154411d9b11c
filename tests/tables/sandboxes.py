"""Sandboxes of tables, made as the client makes them."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from obstore.store import LocalStore, S3Store

from klarity_storage.tables.location import Locate
from klarity_storage.tables.mirror import Source, mirror_snapshot
from klarity_storage.tables.sandbox import Sandbox, make_sandbox
from klarity_storage.tables.snapshot import open_snapshot


def source_of(locate: Locate) -> Source:
    """A table, and the whole bucket that it lies in."""
    location = locate()
    if location.s3 is None:
        return Source(location, LocalStore(location.uri.removesuffix(str(location.name))))
    s3 = location.s3
    store = S3Store(
        s3.bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key_id,
        secret_access_key=s3.secret_access_key,
        client_options={"allow_http": True},
    )
    return Source(location, store)


def sandbox_of(locate: Locate, folder: Path) -> Sandbox:
    """A sandbox of the newest version."""
    source = source_of(locate)
    table = open_snapshot(source.location)
    name = uuid4().hex
    mirror_snapshot(source, table, folder / f"{name}-mirror", known=(), link=os.link)
    make_sandbox(folder / f"{name}-mirror", folder / name, os.link)
    return Sandbox(source.name, folder / name, name)
