"""Who reads a file: by a token, and the one place for those who have none."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from klarity_storage.server.http.authentication import know_the_caller


async def know_the_reader(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Find the caller before anything of the address is read.

    Whoever shows no token is nobody yet: no space is open to all. Where one is, the caller without
    a token becomes ``anyone`` here, and `rights.require` decides as about everybody.

    Raises:
        UnauthenticatedError: there is no token, or not one that is good.
    """
    await know_the_caller(connection, handler)
