"""What several of these tests do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from klarity_storage.errors import InvalidDataError
from klarity_storage.tables.frames import to_stream


def read(data: Any, types: Mapping[str, pa.DataType | str] | None = None) -> pa.Table:
    """All rows of whatever can be pushed, or the error that says why not."""
    stream = to_stream(data, types=types)
    try:
        return stream.reader().read_all()
    except (pa.ArrowException, InvalidDataError):
        assert stream.failure is not None
        raise stream.failure from None
