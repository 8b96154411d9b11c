"""Callers of the read path, and the bucket as the server's own keys open it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from obstore.store import S3Store

import klarity_storage as ks
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.server.engines.ports import HOST
from klarity_storage.server.engines.sts import open_store
from server_fixture import RunningServer
from wire import Wire

WireOf = Callable[[ks.Storage], Wire]


@pytest.fixture
def wire_of(server: RunningServer) -> WireOf:
    """The wire of whoever a connection belongs to."""

    def of(storage: ks.Storage) -> Wire:
        user = storage.whoami().principal.removeprefix("user:")
        return Wire(server.address, server.admin.admin.create_token(user).secret)

    return of


@pytest.fixture
def wire(wire_of: WireOf, owned: ks.Storage) -> Wire:
    """The owner of ``space``."""
    return wire_of(owned)


@pytest.fixture
def bucket(server: RunningServer) -> S3Store:
    """Everything, as whoever runs the engine can change it."""
    keys = json.loads((server.data / "engine" / "keys.json").read_bytes())
    ports = json.loads((server.data / "engine" / "ports.json").read_bytes())
    return open_store(
        S3Credentials(
            endpoint=f"http://{HOST}:{ports['s3']}",
            region="us-east-1",
            bucket="klarity",
            access_key_id=keys["access_key_id"],
            secret_access_key=keys["secret_access_key"],
        )
    )
