"""Whether columns fit a table, decided before anything is written."""

from __future__ import annotations

import difflib

import pyarrow as pa
import pyarrow.types as is_

from klarity_storage.errors import SchemaMismatchError
from klarity_storage.layout import Name
from klarity_storage.tables.delta_types import check_columns, widens


def fit(
    columns: pa.Schema, table: pa.Schema, name: Name, *, evolve: bool = False, merge: bool = False
) -> pa.Schema:
    """The schema under which the columns can be written into the table.

    Without ``evolve`` it is the table's. With it, columns and fields of structs may be new, and
    those that the data lacks become null, which a ``merge`` does not allow: it would put null in
    the place of what stands there. A column keeps its type all the same, because files that are
    there already hold it.

    Raises:
        SchemaMismatchError: columns are missing, unknown or of another type; every one is named.
    """
    faults = _mistyped(columns, table, evolve=evolve)
    needed = [field for field in table if merge or not evolve or not field.nullable]
    faults = [*_missing(columns, needed), *faults]
    if not evolve:
        faults = [*_unknown(columns, table), *faults]
    if faults:
        raise SchemaMismatchError(
            f"The data does not fit the table {name}: {'; '.join(faults)}.",
            hint=_hint(name, columns, table, evolve=evolve),
        )
    if not evolve:
        return table
    new = [field for field in columns if field.name not in table.names]
    check_columns([*table.names, *(field.name for field in new)])
    known = [field for field in table if field.name in columns.names]
    return pa.schema(
        [f.with_type(_joined(columns.field(f.name).type, f.type)) for f in known] + new
    )


def nearest(name: str, names: list[str]) -> str:
    """A question after the nearest name, or nothing.

    >>> nearest("scor", ["id", "score"])
    " (did you mean 'score'?)"
    """
    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def _hint(name: Name, columns: pa.Schema, table: pa.Schema, *, evolve: bool) -> str:
    if evolve:
        return "A column keeps its type: overwrite the whole table with evolve=True to change it."
    if set(columns.names) != set(table.names):
        return f"ks table show {name} lists its columns; with evolve=True they may grow in number."
    return f"ks table show {name} lists the table's columns and their types."


def _unknown(columns: pa.Schema, target: pa.Schema) -> list[str]:
    return [
        f"the table has no column {name!r}{nearest(name, target.names)}"
        for name in columns.names
        if name not in target.names
    ]


def _missing(columns: pa.Schema, needed: list[pa.Field]) -> list[str]:
    return [
        f"the data has no column {field.name!r} ({field.type})"
        for field in needed
        if field.name not in columns.names
    ]


def _mistyped(columns: pa.Schema, target: pa.Schema, *, evolve: bool) -> list[str]:
    return [
        f"the column {field.name!r} is {field.type} in the table, but the data has "
        f"{columns.field(field.name).type}"
        for field in target
        if field.name in columns.names
        and not _fits(columns.field(field.name).type, field.type, evolve=evolve)
    ]


def _fits(source: pa.DataType, target: pa.DataType, *, evolve: bool) -> bool:
    if widens(source, target):
        return True
    if not evolve:
        return False
    if is_.is_list(source) and is_.is_list(target):
        return _fits(source.value_type, target.value_type, evolve=True)
    if not (is_.is_struct(source) and is_.is_struct(target)):
        return False
    ours = {field.name: field.type for field in source}
    return all(
        _fits(ours[field.name], field.type, evolve=True) if field.name in ours else field.nullable
        for field in target
    )


def _joined(source: pa.DataType, target: pa.DataType) -> pa.DataType:
    """The data's own fields, in the table's types where the table has them."""
    if widens(source, target):
        return target
    if is_.is_list(source):
        return pa.list_(pa.field("element", _joined(source.value_type, target.value_type)))
    theirs = {field.name: field for field in target}
    return pa.struct(
        [
            field.with_type(_joined(field.type, theirs[field.name].type))
            if field.name in theirs
            else field
            for field in source
        ]
    )
