"""What nginx answers by itself, in the words of those who stand behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from klarity_storage.errors import (
    BusyError,
    InternalError,
    InvalidInputError,
    MethodNotAllowedError,
    NotFoundError,
    StorageError,
    TooLargeError,
    TooSlowError,
    UnavailableError,
)
from klarity_storage.protocol.problem import CONTENT_TYPE, problem_of

OF_FILES: Final[dict[tuple[int, ...], StorageError]] = {
    (400, 414, 494, 495, 496, 497, 501, 505): InvalidInputError(
        "The request cannot be read by the proxy."
    ),
    (403, 404): NotFoundError("There is no such thing on this server."),
    (405,): MethodNotAllowedError("The proxy does not take this method."),
    (408,): TooSlowError("The request did not arrive in time.", hint="Send it again."),
    (413,): TooLargeError("The body of the request is too large.", hint="Send less at once."),
    (500,): InternalError(
        "The proxy failed on this request.",
        hint="Tell whoever runs the server, with the id of the request.",
    ),
    (502, 504): UnavailableError("The server behind the proxy does not answer.", hint="Try again."),
    (503,): BusyError("There are too many requests from this address.", hint="Try again."),
}
"""By the status that nginx gives: nothing of this ever came from the server."""

OF_S3: Final[dict[tuple[int, ...], tuple[int, str, str]]] = {
    (400, 405, 408, 414, 494, 495, 496, 497, 501, 505): (400, "InvalidRequest", "cannot be read"),
    (403, 404): (403, "AccessDenied", "is for nothing that is published here"),
    (413,): (400, "EntityTooLarge", "is too large"),
    (500,): (500, "InternalError", "failed in the proxy"),
    (502, 504): (503, "ServiceUnavailable", "found no engine behind the proxy"),
    (503,): (503, "SlowDown", "is one too many from this address"),
}
"""The same for S3: status, code, and what is said of the request."""


def error_pages(statuses: Iterable[tuple[int, ...]]) -> str:
    """The directives that lead to what is said of these statuses."""
    return "".join(
        f"        error_page {' '.join(map(str, found))} = /.ks/problem/{found[0]};\n"
        for found in statuses
    )


def file_problems() -> str:
    """The locations that tell of the failures of files and API, as the server's problems are."""
    return "".join(
        _location(
            found[0],
            error.status,
            CONTENT_TYPE,
            msgspec.json.encode(problem_of(error, "$ks_id")).decode(),
            ("X-Request-Id $ks_id", 'Vary "Authorization, Origin"')
            + ("Access-Control-Allow-Origin $ks_origin", "X-Content-Type-Options nosniff")
            + ("Access-Control-Expose-Headers $ks_exposed", "Cache-Control no-store")
            + (("Retry-After 1",) if isinstance(error, BusyError) else ()),
        )
        for found, error in OF_FILES.items()
    )


def s3_problems() -> str:
    """The locations that tell of failures as S3 does."""
    return "".join(
        _location(
            found[0],
            status,
            "application/xml",
            '<?xml version="1.0" encoding="UTF-8"?>'
            f"<Error><Code>{code}</Code><Message>The request {told}.</Message></Error>",
            (),
        )
        for found, (status, code, told) in OF_S3.items()
    )


def _location(name: int, status: int, media_type: str, body: str, headers: tuple[str, ...]) -> str:
    if "'" in body or "\\" in body:
        raise ValueError(f"nginx would read {body!r} otherwise")
    told = "".join(f"            add_header {header} always;\n" for header in headers)
    # an address and no named location: nginx refuses some requests before they have one
    return (
        f"        location = /.ks/problem/{name} {{\n            internal;\n"
        f"            default_type {media_type};\n{told}"
        f"            return {status} '{body}';\n        }}\n"
    )
