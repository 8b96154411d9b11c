"""The one error tree, sorted by what the caller would do about it.

    StorageError
    ├── InvalidInputError         400  mend the input (also a ValueError)
    │   ├── InvalidNameError           a space, name, tag or principal that breaks the naming rule
    │   ├── InvalidPathError           a file path that could escape its prefix or fail on a disk
    │   ├── InvalidReferenceError      a reference that cannot be read or is ambiguous
    │   ├── InvalidManifestError       a manifest that does not hold what it claims
    │   ├── InvalidDataError           data that cannot be read as a table
    │   ├── SchemaMismatchError        data whose columns or types do not fit the table
    │   ├── InvalidQueryError          SQL or a filter that cannot be run
    │   ├── QueryLimitError            422  a query that takes more than a server gives to one
    │   ├── ConfigurationError         a setting that is unknown, missing or wrong
    │   ├── MethodNotAllowedError      405  an HTTP method that the address does not take
    │   ├── TooLargeError              413  a request that is larger than the server takes
    │   ├── TooSlowError               408  a request that does not arrive in time
    │   ├── PreconditionFailedError    412  a file is not the one that the request names
    │   ├── RangeNotSatisfiableError   416  bytes that a file does not have
    │   ├── NotAnImageError            415  a file that no thumbnail can be drawn of
    │   └── UnreadableImageError       422  an image that is damaged, or too large to be drawn
    ├── UnauthenticatedError      401  log in again
    ├── ForbiddenError            403  ask an owner for a grant (also a PermissionError)
    ├── QuotaError                403  free some room, or ask an administrator for more
    ├── NotFoundError             404  check the name (also a LookupError)
    │   ├── SpaceNotFoundError
    │   ├── VersionNotFoundError       no such name, version, tag or hash
    │   ├── FileMissingError           no such file in a version (also a FileNotFoundError)
    │   ├── TableNotFoundError
    │   └── PrincipalNotFoundError     no such user, token or grant
    ├── ConflictError             409  refresh and try again
    │   ├── AlreadyExistsError
    │   ├── PurgedError                what a commit points at was purged as garbage: push again
    │   └── SourceChangedError         a file changed while it was read
    ├── IntegrityError            502  bytes are not what their digest says: never used
    ├── UnavailableError          503  wait and try again
    │   ├── BusyError                  the server has as much to do as it takes at once
    │   ├── RateLimitedError      429  too many tokens that are not good
    │   └── StorageFullError      507  free some space
    └── InternalError             500  a defect of ours

The server raises these, sends them as RFC 9457 problems, and the client raises them again: the same
class on both sides. Codes are append-only.
"""

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """Anything that Klarity Storage refuses or fails to do.

    Args:
        message: One sentence: what went wrong, where.
        hint: What to do next, where that is known.
        request_id: The server's id of the request that failed.
    """

    code: ClassVar[str] = "storage_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Klarity Storage could not do this"
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, hint: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message


class InvalidInputError(StorageError, ValueError):
    """The input cannot be used as it is."""

    code = "invalid_input"
    status = 400
    title = "The input cannot be used"
    exit_code = 2


class InvalidNameError(InvalidInputError):
    """A space, name, tag or principal that breaks the naming rule."""

    code = "invalid_name"
    title = "The name breaks the naming rule"


class InvalidPathError(InvalidInputError):
    """A file path that could escape its prefix or fail on a disk."""

    code = "invalid_path"
    title = "The file path cannot be stored"


class InvalidReferenceError(InvalidInputError):
    """A reference that cannot be read, or a hash prefix that fits several versions."""

    code = "invalid_reference"
    title = "The reference cannot be read"


class InvalidManifestError(InvalidInputError):
    """A manifest that does not hold what it claims."""

    code = "invalid_manifest"
    title = "The manifest does not hold"


class InvalidDataError(InvalidInputError):
    """Data that cannot be read as a table."""

    code = "invalid_data"
    title = "The data cannot be read"


class SchemaMismatchError(InvalidInputError):
    """Data whose columns or types do not fit the table."""

    code = "schema_mismatch"
    title = "The data does not fit the table"


class InvalidQueryError(InvalidInputError):
    """SQL or a filter that cannot be run."""

    code = "invalid_query"
    title = "The query cannot be run"


class QueryLimitError(InvalidInputError):
    """The query takes more time, memory or rows than one is given."""

    code = "query_limit"
    status = 422
    title = "The query takes more than the server gives"


class ConfigurationError(InvalidInputError):
    """A setting that is unknown, missing or wrong."""

    code = "configuration"
    title = "A setting is wrong"


class MethodNotAllowedError(InvalidInputError):
    """The address exists, but does not take this HTTP method."""

    code = "method_not_allowed"
    status = 405
    title = "The address does not take this method"


class TooLargeError(InvalidInputError):
    """The request is larger than the server takes."""

    code = "too_large"
    status = 413
    title = "The request is too large"


class TooSlowError(InvalidInputError):
    """The request does not arrive in time."""

    code = "too_slow"
    status = 408
    title = "The request arrives too slowly"


class PreconditionFailedError(InvalidInputError):
    """The file is another than the request's If-Match names."""

    code = "precondition_failed"
    status = 412
    title = "The file is another one"


class RangeNotSatisfiableError(InvalidInputError):
    """The request asks for bytes that the file does not have, or for too many ranges."""

    code = "range_not_satisfiable"
    status = 416
    title = "The range cannot be served"

    size: int | None = None
    """Of the file, in bytes, where the server says so."""


class NotAnImageError(InvalidInputError):
    """The file is no image of a format that thumbnails are drawn of."""

    code = "not_an_image"
    status = 415
    title = "The file is no image"


class UnreadableImageError(InvalidInputError):
    """The image is damaged, or takes more pixels, memory or time than the server gives to one."""

    code = "unreadable_image"
    status = 422
    title = "The image cannot be read"


class UnauthenticatedError(StorageError):
    """No token, or one that is unknown, expired or revoked."""

    code = "unauthenticated"
    status = 401
    title = "The caller is not known"
    exit_code = 4


class ForbiddenError(StorageError, PermissionError):
    """The caller may see the thing, but not do this to it."""

    code = "forbidden"
    status = 403
    title = "The caller may not do this"
    exit_code = 4


class QuotaError(StorageError):
    """It would bring the space above its quota: free some room, or ask for more."""

    code = "quota"
    status = 403
    title = "It would bring the space above its quota"
    exit_code = 4


class NotFoundError(StorageError, LookupError):
    """It does not exist, or the caller may not see it: the two look the same."""

    code = "not_found"
    status = 404
    title = "There is no such thing"
    exit_code = 3


class SpaceNotFoundError(NotFoundError):
    """There is no such space, or the caller may not see it."""

    code = "space_not_found"
    title = "There is no such space"


class VersionNotFoundError(NotFoundError):
    """There is no such name, version, tag or hash."""

    code = "version_not_found"
    title = "There is no such version"


class FileMissingError(NotFoundError, FileNotFoundError):
    """The version has no such file."""

    code = "file_not_found"
    title = "The version has no such file"


class TableNotFoundError(NotFoundError):
    """There is no such table, or the caller may not see it."""

    code = "table_not_found"
    title = "There is no such table"


class PrincipalNotFoundError(NotFoundError):
    """There is no such user, token or grant."""

    code = "principal_not_found"
    title = "There is no such user, token or grant"


class ConflictError(StorageError):
    """Somebody else was first: refresh and try again."""

    code = "conflict"
    status = 409
    title = "Somebody else was first"
    exit_code = 5


class AlreadyExistsError(ConflictError, FileExistsError):
    """It exists already."""

    code = "already_exists"
    title = "It exists already"


class PurgedError(ConflictError):
    """What a commit points at was purged as garbage meanwhile: upload it again."""

    code = "purged"
    title = "It was purged as garbage"


class SourceChangedError(ConflictError):
    """A file changed while it was read, so its digest would be wrong."""

    code = "source_changed"
    title = "A file changed while it was read"


class IntegrityError(StorageError):
    """Bytes are not what their digest says; they were not handed over."""

    code = "integrity"
    status = 502
    title = "Stored bytes are damaged"
    exit_code = 6


class UnavailableError(StorageError):
    """The server, the engine or a disk does not answer: wait and try again."""

    code = "unavailable"
    status = 503
    title = "A part does not answer"
    exit_code = 7


class BusyError(UnavailableError):
    """The server has as much to do as it takes at once: wait and try again."""

    code = "busy"
    title = "The server is busy"


class RateLimitedError(UnavailableError):
    """Too many tokens that are not good came from there: wait and try again.

    Args:
        retry_after: Seconds until one more is looked at.
    """

    code = "rate_limited"
    status = 429
    title = "Too many attempts"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        request_id: str | None = None,
        retry_after: int = 1,
    ) -> None:
        super().__init__(message, hint=hint, request_id=request_id)
        self.retry_after = retry_after


class StorageFullError(UnavailableError):
    """There is no room left, or the disk is read-only."""

    code = "storage_full"
    status = 507
    title = "There is no room left"


class InternalError(StorageError):
    """A defect of ours."""

    code = "internal"
    title = "A defect of Klarity Storage"


def error_classes() -> dict[str, type[StorageError]]:
    """Every class of the tree by its code, parents first.

    >>> error_classes()["version_not_found"] is VersionNotFoundError
    True
    """
    found: dict[str, type[StorageError]] = {}
    queue: list[type[StorageError]] = [StorageError]
    while queue:
        cls = queue.pop(0)
        found.setdefault(cls.code, cls)
        queue.extend(cls.__subclasses__())
    return found
