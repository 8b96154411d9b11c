"""A row of each kind of value, of every type that a table has."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa

MOMENTS = [0, None, 253402300799999999, -62135596800000000, 1704067200123456, -1]
TYPES = pa.table(
    {
        "row": pa.array(range(6), pa.int32()),
        "id": pa.array([1, 2**53 + 1, -(2**63), None, 2**63 - 1, 0], pa.int64()),
        "tiny": pa.array([1, -128, 3, None, 127, 0], pa.int8()),
        "short": pa.array([1, -(2**15), 3, None, 2**15 - 1, 0], pa.int16()),
        "f": [0.1, float("nan"), None, float("inf"), -0.0, float("-inf")],
        "f32": pa.array([0.1, float("nan"), None, 3, -0.0, 4], pa.float32()),
        'a "text"': ["it's", "a%b_c", None, "", "ü 猫 🐈", "\uffee"],
        "yes": [True, False, None, True, False, True],
        "price": pa.array(
            [Decimal("1.10"), Decimal("-99999999.99"), None, Decimal("0.01"), Decimal(5), 0],
            pa.decimal128(10, 2),
        ),
        "huge": pa.array(
            [Decimal("12345678901234567890123456789.123456789"), -1, None, 0, 1, Decimal("0.5")],
            pa.decimal128(38, 9),
        ),
        "day": [date(2024, 1, 1), None, date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31)] * 1
        + [date(1970, 1, 1)],
        "at": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
        "local": pa.array(MOMENTS, pa.timestamp("us")),
        "bytes": pa.array([b"\x00\xff", b"", None, b"abc", b"\x80", b"z"], pa.binary()),
        "parts": pa.array([[1], None, [], [2, None, 3], [2**53 + 1], [0]], pa.list_(pa.int64())),
        "box": pa.array(
            [{"x": 1, "label": "a"}, None, {"x": None, "label": None}, {"x": 4, "label": "ü"}] * 1
            + [{"x": 5, "label": ""}, {"x": 6, "label": "f"}],
            pa.struct([("x", pa.int64()), ("label", pa.string())]),
        ),
        "tags": pa.array(
            [[("a", 1)], None, [], [("b", None), ("c", 3)], [("d", 4)], [("e", 5)]],
            pa.map_(pa.string(), pa.int64()),
        ),
        "deep": pa.array(
            [
                [{"p": [1, None]}, None],
                None,
                [],
                [{"p": None}],
                [{"p": []}, {"p": [3]}],
                [{"p": [4]}],
            ],
            pa.list_(pa.struct([("p", pa.list_(pa.int32()))])),
        ),
    }
)
