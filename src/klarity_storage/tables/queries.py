"""What DataFusion says of a query that it refuses, told as our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from klarity_storage.errors import InvalidQueryError, StorageError
from klarity_storage.tables.failures import first_line
from klarity_storage.tables.fit import nearest

_PREFIX = re.compile(
    r"^(DataFusion error: |Schema error: |SQL error: |Error during planning: |External error: )+"
)
_NO_FIELD = re.compile(r"No field named (.+?)(?:\. |$)")


@contextmanager
def told_as_query(what: str, columns: list[str]) -> Iterator[None]:
    """Raise InvalidQueryError for whatever DataFusion raises in the block, but for a Ctrl-C.

    Args:
        what: what was asked, as a noun: ``the filter 'score > 1'``.
        columns: the columns that there are, among which the nearest is named.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:  # DataFusion raises nothing more special
        if isinstance(error.__cause__, KeyboardInterrupt):  # a SystemError that a Ctrl-C became
            raise error.__cause__ from None
        raise refused(error, what, columns) from error


def refused(error: Exception, what: str, columns: list[str]) -> InvalidQueryError:
    """The error that names the wrong column, or gives DataFusion's own words."""
    said = _PREFIX.sub("", first_line(str(error).rpartition("caused by\n")[2]))
    unknown = _NO_FIELD.search(said)
    if unknown is None:
        return InvalidQueryError(f"DataFusion refuses {what}: {said}.")
    name = unknown[1].rpartition(".")[2].strip('"')
    hint = f"The columns are {', '.join(columns)}." if columns else None
    if any(not column.islower() for column in columns):
        hint = f'{hint} Write names that are not in lower case in double quotes: "Score".'
    return InvalidQueryError(
        f"There is no column {name!r} in {what}{nearest(name, columns)}.", hint=hint
    )
