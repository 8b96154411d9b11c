"""Questions to tables: rows of one, or SQL over several. Answers are Arrow IPC streams."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from klarity_storage.protocol.base import Request

ARROW_STREAM = "application/vnd.apache.arrow.stream"
"""The media type of an answer: Arrow's IPC stream format, its buffers compressed with zstd."""

VERSION_HEADER = "X-Table-Version"
"""The header that says which version of a table the rows are of."""

MAX_SQL = 100_000
"""Characters."""

MAX_CONDITIONS = 1_000
MAX_VALUES = 10_000
"""Conditions of one filter, and values in all its conditions."""

MAX_DEPTH = 16

MAX_NUMBER = 2**53 - 1
"""The largest integer that every reader of JSON takes for itself."""

_Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]

Value = str | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
"""A value as JSON holds it; the column's type says how it is read.

Integers beyond 2^53, decimals, dates, timestamps (ISO 8601) and the floats NaN, Infinity and
-Infinity are written as text. Null is SQL's: no comparison with it holds.
"""


class Condition(Request, frozen=True, tag_field="op"):
    """What may hold of a row, told apart by ``op``."""


class Compare(Condition, frozen=True):
    column: str
    value: Value


class Equal(Compare, frozen=True, tag="="):
    """Null equals nothing, not even null: ask with ``is_null``."""


class NotEqual(Compare, frozen=True, tag="!="):
    """A null does not differ from anything either."""


class Less(Compare, frozen=True, tag="<"):
    pass


class LessOrEqual(Compare, frozen=True, tag="<="):
    pass


class Greater(Compare, frozen=True, tag=">"):
    pass


class GreaterOrEqual(Compare, frozen=True, tag=">="):
    pass


class Between(Condition, frozen=True, tag="between"):
    """Both ends belong to it."""

    column: str
    low: Value
    high: Value


class In(Condition, frozen=True, tag="in"):
    column: str
    values: Annotated[list[Value], msgspec.Meta(max_length=MAX_VALUES)]


class IsNull(Condition, frozen=True, tag="is_null"):
    column: str


class Like(Condition, frozen=True, tag="like"):
    """``%`` stands for any characters, ``_`` for one, and a backslash takes that from them."""

    column: str
    pattern: str


class Contains(Condition, frozen=True, tag="contains"):
    """The text stands somewhere in the column's."""

    column: str
    text: str


class And(Condition, frozen=True, tag="and"):
    """All hold; true of an empty list."""

    conditions: list[Filter]


class Or(Condition, frozen=True, tag="or"):
    """One holds; false of an empty list."""

    conditions: list[Filter]


class Not(Condition, frozen=True, tag="not"):
    """Neither true nor false where a null leaves the condition open."""

    condition: Filter


Leaf = (
    Equal
    | NotEqual
    | Less
    | LessOrEqual
    | Greater
    | GreaterOrEqual
    | Between
    | In
    | IsNull
    | Like
    | Contains
)
"""A condition on one column."""

Filter = Leaf | And | Or | Not


class Order(Request, frozen=True):
    column: str
    descending: bool = False
    nulls: Literal["first", "last"] | None = None
    """Where nulls stand; last, or first where it descends, without it."""


class TableQuery(Request, frozen=True):
    """Which rows and columns of a table, in which order."""

    columns: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    """In this order; all without it."""
    filter: Filter | None = None
    order_by: list[Order] = []
    """Without it, rows come in an order that is the same for every page of one version."""
    limit: _Number | None = None
    offset: _Number = 0
    version: _Number | None = None
    """The newest without it; the answer's header ``X-Table-Version`` says which that is."""
    count: bool = False
    """Instead of the rows, how many they are: one row with one column, ``count``."""


class SqlQuery(Request, frozen=True):
    """A question in SQL; a table is written ``space.table``."""

    query: Annotated[str, msgspec.Meta(max_length=MAX_SQL)]
