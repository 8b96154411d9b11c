"""Every failure as one body: RFC 9457 problem details."""

from __future__ import annotations

import logging
import traceback
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from klarity_storage.errors import (
    BusyError,
    InternalError,
    InvalidInputError,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitedError,
    StorageError,
    TooLargeError,
    UnauthenticatedError,
)
from klarity_storage.protocol.problem import CONTENT_TYPE, problem_of
from klarity_storage.server.http.request_id import request_id

_LOG = logging.getLogger(__name__)
_REALM: Final = 'Bearer realm="klarity-storage"'


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer that tells a client what failed, and nothing of how we work inside."""
    ours = as_ours(request, error)
    number = request_id(request.scope)
    if ours.status >= 500:
        _log(request, error, ours)
    headers = dict(getattr(error, "headers", None) or {})
    if isinstance(ours, BusyError):
        headers["Retry-After"] = "1"
    if isinstance(ours, RateLimitedError):
        headers["Retry-After"] = str(ours.retry_after)
    if isinstance(ours, UnauthenticatedError | RateLimitedError):
        request.app.state.services.metrics.not_let_in(ours.code)
    if isinstance(ours, UnauthenticatedError):
        headers["WWW-Authenticate"] = _REALM
    return Response(
        msgspec.json.encode(problem_of(ours, number)),
        status_code=ours.status,
        media_type=CONTENT_TYPE,
        headers=headers,
    )


def as_ours(  # noqa: PLR0911 - one a kind of error
    request: Request[Any, Any, Any], error: Exception
) -> StorageError:
    """The error of our own tree that says what any exception means to the caller."""
    match error:
        case StorageError():
            return error
        case HTTPException(status_code=404):
            return NotFoundError(
                f"There is nothing at {request.url.path}.", hint="GET /schema lists what there is."
            )
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("allow", "")
            return MethodNotAllowedError(
                f"{request.url.path} does not take {request.method}.", hint=f"It takes {allowed}."
            )
        case HTTPException(status_code=413):
            return TooLargeError("The body of the request is too large.", hint="Send less at once.")
        case HTTPException(status_code=status) if status < 500:
            return InvalidInputError(_told(error))
        case RecursionError():  # msgspec's, of a body that is nested without end
            return InvalidInputError("The request cannot be read: it is nested too deeply.")
        case UnicodeDecodeError() if _of_the_body(error):
            return InvalidInputError("The request cannot be read: it is not UTF-8.")
        case _:
            return InternalError(
                "The server failed on this request.",
                hint="Tell whoever runs the server, with the id of the request.",
            )


def _of_the_body(error: UnicodeDecodeError) -> bool:
    """Whether the caller's JSON is at fault: msgspec raises this of a text in it, unlike the rest.

    Anything else that cannot be decoded is ours, and is to be found.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code.co_name == "decode_json"


def _told(error: HTTPException) -> str:
    """What Litestar and msgspec found wrong, field by field."""
    extra = error.extra if isinstance(error.extra, list) else []
    found = [
        str(item["message"])
        if item.get("key", "data") == "data"
        else f"{item['key']}: {item['message']}"
        for item in extra
        if isinstance(item, dict) and "message" in item
    ]
    told = "; ".join(found) or error.detail.partition("\n")[0]
    if told == repr("data"):  # how Litestar says that its parameter got no value
        told = "it has no body"
    return f"The request cannot be read: {told.rstrip('.')}."


def _log(request: Request[Any, Any, Any], error: Exception, ours: StorageError) -> None:
    unexpected = not isinstance(error, StorageError) or isinstance(error, InternalError)
    _LOG.error(
        "%s %s: %s",
        request.method,
        request.scope.get("path_template"),
        ours.code,
        exc_info=error if unexpected else None,
    )
    if not unexpected:
        _LOG.error("%s", error)
