"""Errors of object stores and disks, told as ours in one place."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from klarity_storage.errors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidPathError,
    NotFoundError,
    StorageError,
    StorageFullError,
    UnavailableError,
)

_OS_ERROR = re.compile(r"os error (\d+)")
_FULL = {
    errno.ENOSPC: "it is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "it is read-only",
}
_THERE_ALREADY = (FileExistsError, exceptions.AlreadyExistsError, exceptions.PreconditionError)
_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_STATUS_403 = re.compile(r"code: (403|AccessDenied)\b")  # obstore has no class for a refused LIST
_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}


@contextmanager
def told_as_ours(what: str) -> Iterator[None]:
    """Raise a StorageError for whatever a store or a disk raises in the block.

    Args:
        what: what is read or written, as a noun: ``the log of vision/datasets/cats``.
    """
    try:
        yield
    except StorageError:
        raise
    except (exceptions.BaseError, OSError) as error:
        raise _translated(error, what) from error


def _translated(error: Exception, what: str) -> StorageError:
    if isinstance(error, _THERE_ALREADY):
        return AlreadyExistsError(f"Storage holds {what} already.")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"Storage does not have {what}.")
    if isinstance(error, _REFUSED) or _STATUS_403.search(str(error)):
        return ForbiddenError(
            f"Storage refused access to {what}.",
            hint="The credentials may have expired or not reach this far; see ks whoami.",
        )
    return _of_the_system(_os_error(error), error, what)


def _of_the_system(number: int | None, error: Exception, what: str) -> StorageError:
    if number in _FULL:
        return StorageFullError(
            f"Storage cannot take {what}: {_FULL[number]}.",
            hint="Free some space and try again; nothing was committed.",
        )
    if number in (errno.EACCES, errno.EPERM):
        return ForbiddenError(f"The system refused access to {what}.", hint="Check its mode.")
    if number in _NAME or "are not supported" in str(error):
        return InvalidPathError(
            f"This disk cannot keep the file name of {what}.", hint="Rename the file."
        )
    return UnavailableError(
        f"Storage does not answer for {what}: {first_line(error)}.", hint="Try again."
    )


def _os_error(error: Exception) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    match = _OS_ERROR.search(str(error))
    return int(match[1]) if match else None


def first_line(error: Exception) -> str:
    """What a library says in one line: some append a dump of their internals below it."""
    return str(error).partition("\n")[0].rstrip(". ")
