"""Whether columns fit a table, decided before anything is written."""

from __future__ import annotations

import difflib

import pyarrow as pa
from deltalake import DeltaTable

from klarity_storage.errors import SchemaMismatchError
from klarity_storage.layout import Name
from klarity_storage.tables.delta_types import widens


def fit(columns: pa.Schema, table: DeltaTable, name: Name) -> pa.Schema:
    """The table's schema, when the columns can be written into it.

    Raises:
        SchemaMismatchError: columns are missing, unknown or of another type; every one is named.
    """
    target = pa.schema(table.schema().to_arrow())
    faults = [*_unknown(columns, target), *_missing(columns, target), *_mistyped(columns, target)]
    if faults:
        raise SchemaMismatchError(
            f"The data does not fit the table {name}: {'; '.join(faults)}.",
            hint=f"ks table show {name} lists the table's columns and their types.",
        )
    return target


def nearest(name: str, names: list[str]) -> str:
    """A question after the nearest name, or nothing.

    >>> nearest("scor", ["id", "score"])
    " (did you mean 'score'?)"
    """
    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def _unknown(columns: pa.Schema, target: pa.Schema) -> list[str]:
    return [
        f"the table has no column {name!r}{nearest(name, target.names)}"
        for name in columns.names
        if name not in target.names
    ]


def _missing(columns: pa.Schema, target: pa.Schema) -> list[str]:
    return [
        f"the data has no column {field.name!r} ({field.type})"
        for field in target
        if field.name not in columns.names
    ]


def _mistyped(columns: pa.Schema, target: pa.Schema) -> list[str]:
    return [
        f"the column {field.name!r} is {field.type} in the table, but the data has "
        f"{columns.field(field.name).type}"
        for field in target
        if field.name in columns.names and not widens(columns.field(field.name).type, field.type)
    ]
