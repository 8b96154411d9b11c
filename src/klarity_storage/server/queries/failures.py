"""What a query fails with while it runs, told as our errors."""

from __future__ import annotations

import re

from klarity_storage.errors import (
    IntegrityError,
    QueryLimitError,
    StorageError,
    UnavailableError,
)
from klarity_storage.tables.failures import first_line
from klarity_storage.tables.queries import refused

_MEMORY = re.compile(r"Resources exhausted|Memory Exhausted|disk space during the spilling")
_GONE = re.compile(r"404 Not Found|NoSuchKey|Object at location .* not found")
_ENGINE = re.compile(
    r"error sending request|onnection (refused|reset|closed)|tcp connect|dns error|timed out"
    r"|after \d+ retries|403 Forbidden|AccessDenied|ExpiredToken"
)
_DAMAGED = re.compile(r"Parquet error|Corrupt|Invalid Parquet")


def told(error: Exception) -> StorageError:
    """The error that says what DataFusion or the engine said while rows were computed."""
    if isinstance(error, StorageError):
        return error
    text = str(error)
    if _MEMORY.search(text):
        return QueryLimitError(
            "The query takes more memory, or more room to spill, than the server gives to one.",
            hint="Ask for fewer rows or columns, or ask with ks table query.",
        )
    if _GONE.search(text):
        return IntegrityError(
            "A file of the table is gone: it was vacuumed while it was read, or is damaged.",
            hint="Ask again.",
        )
    if _ENGINE.search(text):
        return UnavailableError(
            "The storage engine does not answer for the tables.", hint="Wait and try again."
        )
    if _DAMAGED.search(text):
        return IntegrityError(f"A file of the table cannot be read: {first_line(text)}.")
    return refused(error, "the query", [])  # a cast or a division: it is the question's own


def over_time(seconds: int) -> QueryLimitError:
    """The query took longer than it may."""
    return QueryLimitError(
        f"The query took longer than {seconds} s.",
        hint="Ask for fewer rows or columns, or ask with ks table query.",
    )


def over_rows(rows: int) -> QueryLimitError:
    """The answer has more rows than it may."""
    return QueryLimitError(
        f"The answer has more than {rows} rows.",
        hint="Set a limit, or read the table with storage.get_data_frame.",
    )


def over_all() -> QueryLimitError:
    """The query ended the process that it ran in."""
    return QueryLimitError(
        "The query is too complex, or takes more memory than the server gives to one.",
        hint="Ask a simpler question, or ask with ks table query.",
    )
