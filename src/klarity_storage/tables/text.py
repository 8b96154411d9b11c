"""What text files of rows have in common: encoding, and numbers without a given type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as is_

from klarity_storage.errors import InvalidDataError

_EXACT = 2.0**53
"""From here on not every whole number is a float64."""

_WHOLE = 1e20
"""Up to here a number is taken for a whole one, such as an id, that was rounded."""


def not_utf8(path: Path, column: str | None) -> InvalidDataError:
    where = f"The column {column!r} of {path}" if column is not None else str(path)
    return InvalidDataError(
        f"{where} is not text in UTF-8.",
        hint=f"Convert the file, for example: iconv -f latin1 -t utf-8 {path}",
    )


def check_rounded(path: Path, batch: pa.RecordBatch, guessed: Sequence[str]) -> None:
    """Raise InvalidDataError where a guessed float column holds what may have been a whole number.

    A column is read as floats when one value has a fraction or is beyond int64: then the long ids
    of the others have lost digits.
    """
    for name in guessed:
        column = batch.column(name)
        if not is_.is_floating(column.type):
            continue
        size = pc.abs(column)
        if pc.any(pc.and_(pc.greater_equal(size, _EXACT), pc.less(size, _WHOLE))).as_py():
            raise InvalidDataError(
                f"The column {name!r} of {path} holds whole numbers that a float cannot hold "
                "exactly.",
                hint=f"Say types={{{name!r}: 'string'}}, or 'float64' if they may be rounded.",
            )
