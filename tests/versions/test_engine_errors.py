from __future__ import annotations

import errno

import pytest
from obstore import exceptions

import klarity_storage as ks
from klarity_storage.versions.engine_errors import told_as_ours


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        (FileNotFoundError("x"), ks.NotFoundError),
        (exceptions.AlreadyExistsError("x"), ks.AlreadyExistsError),
        (exceptions.PreconditionError("x"), ks.AlreadyExistsError),
        (FileExistsError("x"), ks.AlreadyExistsError),
        (exceptions.PermissionDeniedError("x"), ks.ForbiddenError),
        (exceptions.UnauthenticatedError("x"), ks.ForbiddenError),
        (exceptions.GenericError("… status code: 403 Forbidden: <Error>"), ks.ForbiddenError),
        (exceptions.GenericError("Access Denied. (code: AccessDenied)"), ks.ForbiddenError),
        (PermissionError(errno.EACCES, "no"), ks.ForbiddenError),
        (OSError(errno.ENOSPC, "full"), ks.StorageFullError),
        (exceptions.GenericError("No space left (os error 28)"), ks.StorageFullError),
        (exceptions.GenericError("Read-only file system (os error 30)"), ks.StorageFullError),
        (OSError(errno.EDQUOT, "quota"), ks.StorageFullError),
        (OSError(errno.ENAMETOOLONG, "long"), ks.InvalidPathError),
        (exceptions.GenericError("connection refused"), ks.UnavailableError),
        (OSError(errno.EIO, "disk"), ks.UnavailableError),
    ],
)
def test_each_failure_has_its_class(error: Exception, cls: type[ks.StorageError]) -> None:
    with (
        pytest.raises(ks.StorageError, match="the log of cats") as caught,
        told_as_ours("the log of cats"),
    ):
        raise error
    assert type(caught.value) is cls
    assert caught.value.__cause__ is error


def test_what_is_ours_already_passes() -> None:
    with pytest.raises(ks.ConflictError, match="mine"), told_as_ours("x"):
        raise ks.ConflictError("mine")


def test_only_the_first_line_of_a_library_is_told() -> None:
    with pytest.raises(ks.UnavailableError) as caught, told_as_ours("x"):
        raise exceptions.GenericError("cut.\n\nDebug source:\nsecret internals")
    assert "internals" not in str(caught.value)
