"""/v1/authorize."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Request, Response, get
from litestar.params import FromQuery, QueryParameter
from litestar.response.base import ASGIResponse

from klarity_storage.errors import ForbiddenError, NotFoundError
from klarity_storage.protocol.credentials import Operation
from klarity_storage.server.catalog import authorize
from klarity_storage.server.context import Context
from klarity_storage.server.files.caller import know_the_reader
from klarity_storage.server.files.objects import STATE
from klarity_storage.server.http.authentication import know_the_caller
from klarity_storage.server.http.documents import failures
from klarity_storage.server.http.failures import answer_failure
from klarity_storage.server.http.request_id import request_id
from klarity_storage.server.rights.refusals import HEADER, REFUSED, Refusal

Scope: TypeAlias = Annotated[str, QueryParameter(name="scope")]
"""Named otherwise in the handler: there, Litestar takes ``scope`` for the connection's own."""


class Yes(Response[None]):
    """An answer without content, made once."""

    _made = ASGIResponse(status_code=204)

    def to_asgi_response(self, *_: object, **__: object) -> ASGIResponse:
        return self._made


_YES = Yes(None, status_code=204)


def _answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """As all failures; of bytes with the number that tells the refusal at their own address."""
    answer = answer_failure(request, error)
    asked = request.query_params
    part = asked.get("version", asked.get("file"))
    if isinstance(error, REFUSED) and part is not None:
        refusal = Refusal(
            error,
            request_id(request.scope),
            asked.get("scope", ""),
            part,
            known=isinstance(request.scope.get("user"), Context),
        )
        answer.headers[HEADER] = request.app.state.services.refusals.keep(refusal)
    return answer


@get(
    "/v1/authorize",
    tags=["server"],
    status_code=204,
    responses=failures(ForbiddenError, NotFoundError),
    security=[{"bearer": []}],
    exception_handlers={Exception: _answer_failure},
)
async def check_right(
    request: Request[Context, Any, Any],
    target: Scope,
    operation: FromQuery[Operation] = Operation.READ,
    version: FromQuery[str | None] = None,
    file: FromQuery[str | None] = None,
) -> None:
    """Say whether the caller may do that to ``space[/kind[/name]]``: for what stands in front.

    With a version it answers as ``/files`` would for a file of that version, with a file as for
    that data file of a table, whose ETag it says. In a public bucket either takes no token.
    """
    # Asked for each file that is read. So it finds the caller itself and answers with what is made
    # already: guard, dependency and answer of other routes take Litestar longer than the decision.
    if version is None and file is None:
        await know_the_caller(request, request.route_handler)
        await authorize.check_right(request.user, target, operation)
        return _YES  # type: ignore[return-value] # and documented as what it is: nothing
    await know_the_reader(request, request.route_handler)
    if version is not None:
        await authorize.check_version_right(request.user, target, operation, version)
        return _YES  # type: ignore[return-value]
    state = await authorize.check_file_right(request.user, target, operation, file or "")
    return Response(None, status_code=204, headers={STATE: state})  # type: ignore[return-value]


ROUTES = [check_right]
