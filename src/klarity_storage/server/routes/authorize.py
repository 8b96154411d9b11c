"""/v1/authorize."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from litestar import get
from litestar.params import FromQuery, QueryParameter

from klarity_storage.errors import ForbiddenError, NotFoundError
from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.catalog import authorize
from klarity_storage.server.http.authentication import Caller
from klarity_storage.server.http.documents import failures

Scope: TypeAlias = Annotated[str, QueryParameter(name="scope")]
"""Named otherwise in the handler: there, Litestar takes ``scope`` for the connection's own."""


@get(
    "/authorize",
    tags=["server"],
    status_code=204,
    responses=failures(ForbiddenError, NotFoundError),
)
async def check_right(
    context: Caller, target: Scope, operation: FromQuery[Operation] = Operation.READ
) -> None:
    """Say whether the caller may do that to ``space[/kind[/name]]``: for what stands in front."""
    await authorize.check_right(context, target, operation)


ROUTES = [check_right]
