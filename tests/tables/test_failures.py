"""What libraries and engines were seen to say, and what it means."""

from __future__ import annotations

import pytest
from deltalake.exceptions import CommitFailedError, DeltaError

from klarity_storage import errors
from klarity_storage.layout import Kind, Name
from klarity_storage.tables.failures import first_line, told_as_ours, translated

RUNS = Name("vision", Kind.TABLES, "runs")
S3 = "Kernel error -> Generic S3 error\n \x1b[31m↳\x1b[0m Error performing PUT http://… "


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (S3 + "403 Forbidden <Error><Code>AccessDenied</Code>", errors.ForbiddenError),
        (S3 + "403 Forbidden <Code>InvalidAccessKeyId</Code>", errors.UnauthenticatedError),
        (S3 + "403 Forbidden <Code>ExpiredToken</Code>", errors.UnauthenticatedError),
        (S3 + "after 10 retries, max_retries: 10 - 503", errors.UnavailableError),
        (S3 + "tcp connect error: Connection refused (os error 111)", errors.UnavailableError),
        (S3 + "404 Not Found <Code>NoSuchBucket</Code>", errors.TableNotFoundError),
        ("Io error: No space left on device (os error 28)", errors.StorageFullError),
        ("Io error: Read-only file system (os error 30)", errors.StorageFullError),
        ("Io error: Permission denied (os error 13)", errors.ForbiddenError),
        ("Generic error: A table already exists at: s3://…", errors.AlreadyExistsError),
        ("Json error: Encountered unexpected 'g'\n   0: <unknown>", errors.IntegrityError),
    ],
)
def test_what_is_said_decides_the_error(said: str, told: type[errors.StorageError]) -> None:
    found = translated(DeltaError(said), RUNS, writing=True)

    assert type(found) is told
    assert "\n" not in str(found)


def test_a_lost_race_is_a_conflict() -> None:
    assert isinstance(translated(CommitFailedError("0"), RUNS), errors.ConflictError)


def test_what_may_not_be_read_looks_absent() -> None:
    refused = translated(DeltaError(S3 + "403 Forbidden AccessDenied"), RUNS)
    absent = translated(DeltaError("No files in log segment"), RUNS)

    assert (type(refused), str(refused)) == (type(absent), str(absent))


def test_our_own_errors_and_defects_pass() -> None:
    with pytest.raises(errors.ConflictError), told_as_ours(RUNS):
        raise errors.ConflictError("mine")
    with pytest.raises(ZeroDivisionError), told_as_ours(RUNS):
        raise ZeroDivisionError


def test_the_first_line_has_no_colours_and_no_frames() -> None:
    assert first_line("\x1b[31m↳\x1b[0m it broke.\n   0: <unknown>") == "↳ it broke"
