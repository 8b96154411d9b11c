"""Questions: table, query as the server takes it, the same as SQL, and its order and cut."""

from __future__ import annotations

from typing import Any

Query = tuple[str, dict[str, Any], str, str]


def moment(text: str, zone: str | None = None) -> str:
    zoned = "None" if zone is None else f'Some("{zone}")'
    return f"arrow_cast('{text}', 'Timestamp(Microsecond, {zoned})')"


def every(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"op": "and", "conditions": list(conditions)}


def leaf(op: str, column: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "column": column, **more}


def of(
    table: str, by: str, filters: list[tuple[dict[str, Any], str]], *columns: str
) -> list[Query]:
    """A question for each filter, as it is, and negated."""
    found: list[Query] = []
    for filter_, where in filters:
        for negated in (False, True):
            wanted = {"op": "not", "condition": filter_} if negated else filter_
            sql = f"not ({where})" if negated else where
            query = {"columns": list(columns), "filter": wanted, "order_by": [{"column": by}]}
            found.append((table, query, sql, f"order by {by}"))
    return found


def signs(column: str, value: Any, literal: str) -> list[tuple[dict[str, Any], str]]:
    """Every comparison with one value."""
    sql = '"' + column.replace('"', '""') + '"'
    return [
        (leaf(sign, column, value=value), f"{sql} {'<>' if sign == '!=' else sign} {literal}")
        for sign in ("=", "!=", "<", "<=", ">", ">=")
    ]


TEXT = 'a "text"'
VALUES: list[tuple[str, Any, str]] = [
    ("id", "9007199254740993", "9007199254740993"),
    ("id", 1, "1"),
    ("id", 0.5, "0.5"),
    ("tiny", 3, "3"),
    ("tiny", 1000, "1000"),
    ("short", -32768, "-32768"),
    ("f", 0.1, "0.1"),
    ("f", "NaN", "cast('NaN' as double)"),
    ("f", "Infinity", "cast('inf' as double)"),
    ("f", 0, "0.0"),
    ("f32", 0.1, "cast(0.1 as float)"),
    ("f32", "NaN", "cast('NaN' as float)"),
    (TEXT, "it's", "'it''s'"),
    (TEXT, "", "''"),
    (TEXT, "ü", "'ü'"),
    (TEXT, "\uffee", "'\uffee'"),
    ("yes", True, "true"),
    ("price", "0.010", "cast('0.01' as decimal(10,2))"),
    ("price", 5, "cast(5 as decimal(10,2))"),
    ("price", "1.1000000001", "cast('1.1000000001' as decimal(20,10))"),
    (
        "huge",
        "12345678901234567890123456789.123456789",
        "cast('12345678901234567890123456789.123456789' as decimal(38,9))",
    ),
    ("day", "1969-12-31", "date '1969-12-31'"),
    ("at", "2024-01-01T00:00:00.123456Z", moment("2024-01-01T00:00:00.123456Z", "UTC")),
    ("at", "1970-01-01T01:00:00+01:00", moment("1970-01-01T00:00:00Z", "UTC")),
    ("local", "1969-12-31T23:59:59.999999", moment("1969-12-31T23:59:59.999999")),
    ("id", None, "null"),
]
OTHERS: list[tuple[dict[str, Any], str]] = [
    (leaf("is_null", "box"), "box is null"),
    (leaf("is_null", "parts"), "parts is null"),
    (leaf("is_null", "f"), "f is null"),
    (
        leaf("between", "id", low=0, high="9223372036854775807"),
        "id between 0 and 9223372036854775807",
    ),
    (leaf("between", "id", low=None, high=0), "id between null and 0"),
    (leaf("in", "id", values=[1, 0, None]), "id in (1, 0, null)"),
    (leaf("in", "id", values=[1, "9007199254740993"]), "id in (1, 9007199254740993)"),
    (leaf("in", "id", values=[]), "false"),
    (leaf("in", TEXT, values=["ü", "ü 猫 🐈", ""]), "\"a \"\"text\"\"\" in ('ü', 'ü 猫 🐈', '')"),
    (leaf("in", "f", values=["NaN", 0]), "f in (cast('NaN' as double), 0.0)"),
    (leaf("in", "price", values=["5", "1.10000", "1.101"]), "price in (5, 1.10, 1.101)"),
    (leaf("like", TEXT, pattern="%ü%"), '"a ""text""" like \'%ü%\''),
    (leaf("like", TEXT, pattern="a\\%b\\_c"), '"a ""text""" like \'a\\%b\\_c\''),
    (leaf("like", TEXT, pattern="_ _ _"), '"a ""text""" like \'_ _ _\''),
    (leaf("contains", TEXT, text="%b"), 'contains("a ""text""", \'%b\')'),
    ({"op": "and", "conditions": []}, "true"),
    ({"op": "or", "conditions": []}, "false"),
    (
        {"op": "or", "conditions": [leaf(">", "id", value=1), leaf("=", "yes", value=True)]},
        "id > 1 or yes = true",
    ),
    (
        every(leaf(">", "id", value=-5), {"op": "not", "condition": leaf("=", "yes", value=True)}),
        "id > -5 and not (yes = true)",
    ),
]


def orders(table: str, columns: list[str], *keys: str) -> list[Query]:
    """Each column up and down, its nulls first and last; the keys decide the rest."""
    found: list[Query] = []
    for column in columns:
        sql = '"' + column.replace('"', '""') + '"'
        rest = [{"column": key} for key in keys]
        for descending in (False, True):
            for nulls in (None, "first", "last"):
                by: dict[str, Any] = {"column": column, "descending": descending}
                if nulls:
                    by["nulls"] = nulls
                told = f"{sql} {'desc' if descending else 'asc'}"
                told += f" nulls {nulls or ('first' if descending else 'last')}"
                query = {"columns": [column, *keys], "order_by": [by, *rest]}
                found.append((table, query, "true", f"order by {', '.join((told, *keys))}"))
    return found


def paged(table: str, key: str, rows: int) -> list[Query]:
    """Pages of an order, over the end too."""
    return [
        (
            table,
            {"columns": [key], "order_by": [{"column": key}], "limit": limit, "offset": offset},
            "true",
            f"order by {key} limit {limit} offset {offset}",
        )
        for limit, offset in ((0, 0), (3, 0), (5, 2), (10, rows - 1), (10, rows), (1000, rows + 5))
    ]


TYPE_COLUMNS = [
    "id",
    "tiny",
    "f",
    "f32",
    TEXT,
    "yes",
    "price",
    "huge",
    "day",
    "at",
    "local",
    "bytes",
]
LONG: list[tuple[dict[str, Any], str]] = [
    (leaf("between", "key", low=19_990, high=20_010), "key between 19990 and 20010"),
    (leaf("=", "key", value=59_999), "key = 59999"),
    (leaf("in", "key", values=[1, 25_000, 59_000]), "key in (1, 25000, 59000)"),
    (
        every(
            leaf(">", "time", value="2023-11-15T10:00:00Z"), leaf("=", "label", value="label-05")
        ),
        f"time > {moment('2023-11-15T10:00:00Z', 'UTC')} and label = 'label-05'",
    ),
    (
        every(leaf(">", "score", value=124.8), leaf("<", "key", value=30_000)),
        "score > 124.8 and key < 30000",
    ),
    (every(leaf("is_null", "sparse"), leaf("<", "key", value=9)), "sparse is null and key < 9"),
]


def unnegated(queries: list[Query]) -> list[Query]:
    return queries[::2]


QUERIES: list[Query] = [
    ("types", {"order_by": [{"column": "row"}]}, "true", "order by row"),
    *(
        query
        for column, value, literal in VALUES
        for query in of("types", "row", signs(column, value, literal), "row", column)
    ),
    *of("types", "row", OTHERS, "row"),
    *orders("types", TYPE_COLUMNS, "row"),
    *paged("types", "row", 6),
    ("parts", {"order_by": [{"column": "id"}]}, "true", "order by id"),
    *of(
        "parts",
        "id",
        [
            *signs("place", "a b", "'a b'"),
            *signs("place", "ü/ö %41", "'ü/ö %41'"),
            *signs("day", "2024-01-01", "date '2024-01-01'"),
            *signs("level", "9007199254740993", "9007199254740993"),
            (leaf("is_null", "place"), "place is null"),
            (leaf("like", "place", pattern="%=%"), "place like '%=%'"),
            (
                every(leaf("=", "place", value="a b"), leaf(">", "id", value=3)),
                "place = 'a b' and id > 3",
            ),
        ],
        "id",
        "place",
        "day",
        "level",
    ),
    *orders("parts", ["place", "day", "level"], "id"),
    *paged("parts", "id", 14),
    ("evolved", {"order_by": [{"column": "id"}]}, "true", "order by id"),
    *of(
        "evolved",
        "id",
        [*signs("added", 0.5, "0.5"), (leaf("is_null", "added"), "added is null")],
        "id",
        "added",
        "box",
    ),
    *unnegated(
        of("long", "key", LONG, "key", "sparse", "score", "label", "time", "items", "noise")
    ),
    *[
        (
            "long",
            {
                "columns": ["score", "key"],
                "order_by": [{"column": "score", "descending": down}, {"column": "key"}],
                "limit": 70,
            },
            "true",
            f"order by score {'desc nulls first' if down else 'asc nulls last'}, key limit 70",
        )
        for down in (False, True)
    ],
    *paged("long", "key", 60_000),
    ("foreign", {"order_by": [{"column": "id"}]}, "true", "order by id"),
    *of(
        "foreign",
        "id",
        [
            (leaf("between", "id", low=995, high=1004), "id between 995 and 1004"),
            (leaf("=", "text", value="t00400"), "text = 't00400'"),
            (
                leaf("<", "at", value="1970-01-01T00:00:05Z"),
                f"at < {moment('1970-01-01T00:00:05Z', 'UTC')}",
            ),
            (leaf("=", "price", value="2500.000"), "price = 2500"),
        ],
        "id",
        "text",
        "at",
        "price",
        "list",
    ),
]
