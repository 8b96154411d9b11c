"""What delta-rs, DataFusion and the engine say when they fail, told as our errors in one place.

They raise a handful of classes whose text alone tells a refused key from a dead engine, so the text
is read here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from obstore.exceptions import BaseError, PermissionDeniedError

from klarity_storage import errors
from klarity_storage.layout import Name

_BUILD = re.compile(r"\x1b\[\d+m|^\s+\d+: .*$|^\s+at \./.*$", re.MULTILINE)


@contextmanager
def told_as_ours(table: Name, *, writing: bool = False) -> Iterator[None]:
    """Raise a StorageError for whatever the libraries below raise in the block."""
    try:
        yield
    except errors.StorageError:
        raise
    except (DeltaError, BaseError, OSError) as error:
        raise translated(error, table, writing=writing) from error


def translated(error: BaseException, table: Name, *, writing: bool = False) -> errors.StorageError:
    """The error of ours that says what a library's error means for this table."""
    if isinstance(error, CommitFailedError):
        return errors.ConflictError(
            f"Somebody else changed {table} at the same time: {first_line(error)}.",
            hint="Nothing was committed; push again.",
        )
    text = str(error)
    for told, pattern in _SIGNS:
        if re.search(pattern, text):
            return told(table, writing)
    if isinstance(error, PermissionDeniedError | PermissionError):
        return _refused(table, writing)
    if isinstance(error, TableNotFoundError | FileNotFoundError):
        return not_found(table)
    return errors.IntegrityError(
        f"The table {table} cannot be read: {first_line(error)}.",
        hint="Its log or files are damaged, or another tool wrote what delta-rs cannot read.",
    )


def _full(table: Name, _writing: bool) -> errors.StorageError:
    return errors.StorageFullError(
        f"Storage has no room for {table}, or is read-only.",
        hint="Free some space and try again; nothing was committed.",
    )


def _expired(table: Name, _writing: bool) -> errors.StorageError:
    return errors.UnauthenticatedError(
        f"The engine does not accept the keys for {table}: they are wrong or have expired.",
        hint="Ask again: temporary credentials end at their time.",
    )


def _refused(table: Name, writing: bool) -> errors.StorageError:
    if not writing:  # what one may not see looks like what does not exist
        return not_found(table)
    return errors.ForbiddenError(
        f"You may not write to {table}.",
        hint=f"Ask an owner of {table.space} for a writer's grant.",
    )


def _silent(table: Name, _writing: bool) -> errors.StorageError:
    return errors.UnavailableError(
        f"The storage engine does not answer for {table}.", hint="Wait and try again."
    )


def _exists(table: Name, _writing: bool) -> errors.StorageError:
    return errors.AlreadyExistsError(
        f"The table {table} exists already: somebody else has just made it.", hint="Push again."
    )


def _strangers(table: Name, _writing: bool) -> errors.StorageError:
    return errors.InvalidDataError(
        f"Rows do not match the condition under which {table} takes them; nothing was committed.",
        hint="Push only rows that match where=…, or what constraints of the table say.",
    )


def _unclear(table: Name, _writing: bool) -> errors.StorageError:
    return errors.InvalidQueryError(
        f"Delta refuses the condition on {table}: it takes columns, values and plain functions.",
        hint="Find the values of a subquery first, and write them out.",
    )


def _absent(table: Name, _writing: bool) -> errors.StorageError:
    return not_found(table)


def not_found(table: Name) -> errors.TableNotFoundError:
    """There is no such table."""
    return errors.TableNotFoundError(
        f"There is no table {table}.", hint=f"ks table ls {table.space} lists what there is."
    )


def first_line(error: BaseException | str) -> str:
    """What a library says, without colours, stack frames or the lines below."""
    lines = [line.strip(" .") for line in _BUILD.sub("", str(error)).splitlines()]
    return next((line for line in lines if line), type(error).__name__)


_SIGNS = (  # the first that fits decides
    (_exists, r"A table already exists"),
    (_strangers, r"rows failed validation check"),
    (_unclear, r"Unable to convert expression|contains unsupported expression"),
    (_full, r"os error (28|30|122)\)|No space left|507 Insufficient"),
    (_expired, r"ExpiredToken|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|TimeTooSkewed"),
    (_refused, r"403 Forbidden|AccessDenied|necessary privileges|os error (1|13)\)"),
    (_silent, r"error sending request|onnection (refused|reset|closed)|tcp connect|dns error"),
    (_silent, r"timed out|after \d+ retries"),
    (_absent, r"NoSuchBucket|404 Not Found|No files in log segment"),
)
