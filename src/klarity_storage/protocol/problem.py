"""The one body of every failure (RFC 9457), and the way back to an error."""

from __future__ import annotations

from klarity_storage import errors
from klarity_storage.protocol.base import Response

CONTENT_TYPE = "application/problem+json"


class Problem(Response, frozen=True, omit_defaults=True):
    """Problem details for HTTP APIs, RFC 9457, with a stable ``code``."""

    type: str
    """``urn:klarity:error:<code>``."""
    title: str
    status: int
    detail: str
    code: str
    """One of contract/errors.json; codes are append-only."""
    hint: str | None = None
    request_id: str | None = None


def problem_of(error: errors.StorageError, request_id: str | None = None) -> Problem:
    """The body that says what an error says."""
    return Problem(
        type=f"urn:klarity:error:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        request_id=request_id or error.request_id,
    )


def error_of(problem: Problem) -> errors.StorageError:
    """The error that a body stands for; an unknown code is read by its status."""
    classes = errors.error_classes()
    cls = classes.get(problem.code) or _by_status(problem.status, classes)
    return cls(problem.detail, hint=problem.hint, request_id=problem.request_id)


def _by_status(
    status: int, classes: dict[str, type[errors.StorageError]]
) -> type[errors.StorageError]:
    if status in (502, 503, 504):  # of a proxy that does not reach its server
        return errors.UnavailableError
    for cls in classes.values():
        if cls.status == status and cls is not errors.StorageError:
            return cls
    return errors.InvalidInputError if 400 <= status < 500 else errors.InternalError
