"""/v1/whoami."""

from __future__ import annotations

from litestar import get

from klarity_storage.protocol.server import Identity
from klarity_storage.server.catalog import identity
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures


@get("/whoami", tags=["server"], responses=failures(), sync_to_thread=True)
def get_identity(context: Caller) -> Identity:
    """Say who the server takes the caller for, and what they were granted."""
    return identity.identify(context)


ROUTES = [get_identity]
