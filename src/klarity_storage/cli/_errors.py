"""The one table: a class of error, and the command to try next.

Every failure leaves the CLI here: one sentence, one next step, the exit code of its class. A
traceback is shown to those who ask for it with ``--traceback``.
"""

from __future__ import annotations

import errno
import re
import sys
import traceback
from typing import TYPE_CHECKING, Final

import click

from klarity_storage import errors

if TYPE_CHECKING:
    from klarity_storage.cli._session import Session

NEXT: Final[dict[type[errors.StorageError], str]] = {
    errors.StorageError: "ks whoami, which tells whether the server answers",
    errors.InvalidInputError: "ks --help",
    errors.InvalidNameError: "a name of a-z, 0-9, '.', '_' and '-', such as cats-2",
    errors.InvalidPathError: "renaming the file, then the same command again",
    errors.InvalidReferenceError: "ks ls, then a reference such as vision/datasets/cats@prod",
    errors.InvalidManifestError: "ks push from the source again",
    errors.InvalidDataError: "ks table push with a CSV or Parquet file that another tool can read",
    errors.SchemaMismatchError: "ks table show SPACE/tables/NAME, which lists the table's columns",
    errors.InvalidQueryError: "ks table ls, then a name in the query such as vision.runs",
    errors.QueryLimitError: "a narrower question, or ks table query, which asks the engine itself",
    errors.ConfigurationError: "ks login URL, or --at DIRECTORY for a local store",
    errors.MethodNotAllowedError: "another version of ks: the server speaks a different one",
    errors.TooLargeError: "less at once: shorter messages and metadata",
    errors.TooSlowError: "the same command again, over a better line",
    errors.PreconditionFailedError: "the same request without If-Match",
    errors.RangeNotSatisfiableError: "ks ls SPACE/KIND/NAME@VERSION, which shows the file's size",
    errors.NotAnImageError: "an image: PNG, JPEG, WebP, GIF, TIFF or BMP",
    errors.UnreadableImageError: "a smaller or mended image, pushed beside it",
    errors.UnauthenticatedError: "ks login URL",
    errors.ForbiddenError: "ks whoami, which lists your grants; an owner of the space can add one",
    errors.QuotaError: "ks gc SPACE, or an administrator's ks space quota SPACE --bytes SIZE",
    errors.NotFoundError: "ks ls",
    errors.SpaceNotFoundError: "ks ls, which lists the spaces that you may see",
    errors.VersionNotFoundError: "ks ls SPACE, then ks log SPACE/KIND/NAME",
    errors.FileMissingError: "ks ls SPACE/KIND/NAME@VERSION, which lists the version's files",
    errors.TableNotFoundError: "ks table ls",
    errors.PrincipalNotFoundError: "ks user ls; so with service, group, token and grant",
    errors.ConflictError: "the same command again: it starts from what is there now",
    errors.AlreadyExistsError: "ks ls, or another name",
    errors.SourceChangedError: "the same command again, once nothing writes to the files",
    errors.PurgedError: "the same command again: what was purged meanwhile goes up anew",
    errors.IntegrityError: "the same command again; if it stays, tell whoever runs the storage",
    errors.UnavailableError: "the same command again in a moment",
    errors.BusyError: "the same command again in a moment",
    errors.RateLimitedError: "the same command again in a minute, or ks login URL",
    errors.StorageFullError: "freeing some space, then the same command again",
    errors.InternalError: "the same command with --traceback, and report what it prints",
}
"""What to try after an error of that class; a hint on the error itself wins."""

INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141

_SECRET = re.compile(r"ks_[A-Za-z0-9_-]{16,}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){1,2}")


def next_step(error: errors.StorageError) -> str:
    """What to try after this error."""
    if error.hint:
        return error.hint
    return next(NEXT[cls] for cls in type(error).__mro__ if cls in NEXT)


def report(error: BaseException, session: Session, command: str) -> int:
    """Tell a failure on stderr and return the exit code.

    Args:
        error: whatever reached the top.
        session: how to tell it.
        command: the command that failed, for ``try: … --help``.
    """
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    if session.traceback:
        session.out.failure(_without_secrets("".join(traceback.format_exception(error))))
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _tell_interruption(error, session)
    told = as_ours(error, command)
    if session.out.json:
        _write_problem(told)
    else:
        session.out.failure(f"error: {_sentence(told)}")
        session.out.failure(_next_line(told))
    return told.exit_code


def as_ours(error: BaseException, command: str = "ks") -> errors.StorageError:
    """The StorageError that says what any exception says."""
    if isinstance(error, errors.StorageError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)  # of the command whose arguments are wrong
        line = context.command_path if context else command
        return errors.InvalidInputError(error.format_message(), hint=f"{line} --help")
    if isinstance(error, FileNotFoundError) and error.filename:
        return errors.InvalidInputError(
            f"There is no file or directory {error.filename!r}.", hint="Check the path."
        )
    if isinstance(error, OSError) and (told := _of_the_system(error)):
        return told
    if isinstance(error, ModuleNotFoundError):  # only `ks serve` needs what may not be installed
        return errors.ConfigurationError(
            f"The package {error.name} is not installed.",
            hint="pip install 'klarity-storage[server]'",
        )
    text = " ".join(str(error).split())
    return errors.InternalError(
        f"Something that should not happen did: {type(error).__name__}{': ' if text else ''}{text}"
    )


def _of_the_system(error: OSError) -> errors.StorageError | None:
    """What the disk or a path is at fault for."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return errors.StorageFullError("There is no room left to write to.")
    if not error.filename:
        return None
    reason = error.strerror or type(error).__name__
    return errors.InvalidInputError(
        f"{error.filename!r} cannot be used: {reason}.", hint="Check the path and its mode."
    )


def _tell_interruption(error: BaseException, session: Session) -> int:
    answered_no = isinstance(error, click.Abort) and error.__cause__ is None
    said = "Nothing was done." if answered_no else f"Stopped. {session.interrupted}"
    if session.out.json:
        _write_problem(errors.StorageError(said, hint="the same command again"))
    else:
        session.out.failure(f"error: {said}")
    return 1 if answered_no else INTERRUPTED


def _write_problem(error: errors.StorageError) -> None:
    import msgspec

    from klarity_storage.protocol.problem import problem_of

    problem = msgspec.structs.replace(
        problem_of(error), detail=_sentence(error), hint=_without_secrets(next_step(error))
    )
    sys.stderr.write(msgspec.json.encode(problem).decode() + "\n")


def _sentence(error: errors.StorageError) -> str:
    text = _without_secrets(error.message.strip())
    if text and text[-1] not in ".!?)":
        text += "."
    return f"{text} (request {error.request_id})" if error.request_id else text


def _next_line(error: errors.StorageError) -> str:
    step = _without_secrets(next_step(error))
    return f"try: {step}" if step.startswith("ks ") or not error.hint else f"hint: {step}"


def _without_secrets(text: str) -> str:
    """A token that found its way into a message stays out of logs and screens."""
    return _JWT.sub("eyJ***", _SECRET.sub("ks_***", text))
