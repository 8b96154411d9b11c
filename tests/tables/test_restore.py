from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from klarity_storage.errors import (
    InvalidReferenceError,
    VersionNotFoundError,
)
from klarity_storage.tables.history import read_history
from klarity_storage.tables.push import push_table
from klarity_storage.tables.restore import restore_table
from klarity_storage.tables.scan import scan
from tables.changes import BY, SIGNED
from tables.conftest import Place
from waiting import until


def test_a_table_is_restored_by_version_or_time(place: Place) -> None:
    runs = place("runs")
    push_table(runs, {"id": [1]}, by=BY)
    first = read_history(runs())[0].time
    assert first is not None
    later = first + timedelta(milliseconds=1)  # Delta counts in these
    until(lambda: datetime.now(UTC) > later)
    push_table(runs, {"id": [2], "y": ["a"]}, by=BY, evolve=True)

    assert restore_table(runs, None, first, SIGNED).version == 2
    assert pa.table(scan(runs())).to_pydict() == {"id": [1]}
    assert restore_table(runs, 1, None, SIGNED).rows == 2
    assert restore_table(runs, 3, None, SIGNED).version == 3  # it is that already

    with pytest.raises(VersionNotFoundError, match="no version 9"):
        restore_table(runs, 9, None, SIGNED)
    with pytest.raises(InvalidReferenceError, match="a version or a timestamp"):
        restore_table(runs, None, None, SIGNED)
